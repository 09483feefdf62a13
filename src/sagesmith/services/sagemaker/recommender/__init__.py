"""Inference Recommender: which load is put on an endpoint, what was measured of it, what that costs, and the life of a
job. What is asked for stands in `inference_recommendations`."""
