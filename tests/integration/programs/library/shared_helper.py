NAME = "the shared helper"
