#!/bin/sh
# Says what this machine lacks before anything is installed. Argument: the Python interpreter to start from.
set -u
python=$1
missing=0

lack() {
	echo "missing: $1" >&2
	echo "      →  $2" >&2
	missing=1
}

if ! command -v "$python" >/dev/null; then
	lack "Python ($python)" "apt-get install python3 python3-venv python3-dev, or make PYTHON=/path/to/python3.11"
else
	"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
		lack "Python 3.11 or later ($python is $("$python" -V 2>&1))" "make PYTHON=/path/to/python3.11"
	"$python" -c 'import ensurepip, venv' 2>/dev/null ||
		lack "Python's venv package" "apt-get install python3-venv"
	"$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_paths()["include"] + "/Python.h"))' ||
		lack "Python's headers (sagemaker-training is built with them)" "apt-get install python3-dev"
fi
command -v cc >/dev/null || command -v gcc >/dev/null ||
	lack "a C compiler (sagemaker-training is built with it)" "apt-get install gcc"
[ "$(uname -s)" = Linux ] ||
	lack "Linux (this is $(uname -s))" "on macOS and Windows run it in WSL2 or a Linux VM; AWS clients work from anywhere"
exit $missing
