"""A folder that training code can import from: names that Amazon's images have and the environments do not.

Its packages stand on their own: they run in an environment, on its Python, without the rest of Sagesmith.
"""
