"""What the resource classes of the SageMaker SDK v3 are given: one entry a class, what it needs before it."""

import lives_of_models
import lives_of_records
import lives_of_studio

LIVES = (*lives_of_studio.LIVES, *lives_of_models.LIVES, *lives_of_records.LIVES)
