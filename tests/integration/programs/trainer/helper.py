NAME = "a module of the source folder"
