"""A module that goes to the executors."""


def loud(word: str) -> str:
    return word.upper()
