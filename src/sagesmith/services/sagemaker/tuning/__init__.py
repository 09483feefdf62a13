"""How tuning jobs are run. `sagesmith.tuning` has the search itself, `tuning_jobs` the declaration of the kind.

* `definitions`: from a tuning job to the inputs of CreateTrainingJob; `checks`: what is wrong with it.
* `trials`: from training jobs back to trials; `warm_start`: those of other tuning jobs.
* `reconciler`: launches, follows and ends; `early_stopping`: whom it stops before.
"""
