"""The search for hyperparameters: pure functions of what was asked for and what came of it so far.

* `ranges`: what may be tried, `autotune` guesses it from examples.
* `search`: which values the next trial gets.
* `stopping`: whether a trial that runs is worth going on with.
* `completion`: whether the whole search is.

Nothing here knows of jobs, stores or clocks, and nothing is remembered between calls: the same history gives the same
answer, in this process or the next. Optuna is imported when a Bayesian search first asks.
"""
