NAME = "a module beside the script"
