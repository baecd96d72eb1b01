#!/bin/sh
# test.sh DIR [ARGUMENTS]: the device tests on the CuPy of DIR, which is built first if it is not
# there.  ARGUMENTS go to pytest.  Where it cannot be built, one sentence says why and nothing fails.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { echo "usage: $0 DIR [ARGUMENTS]" >&2; exit 2; }

status=0
"$here/build.sh" "$1" || status=$?
if [ $status = 3 ]; then echo "The device tests on CuPy are skipped."; exit 0; fi
[ $status = 0 ] || exit $status
. "$1/env.sh"
shift
cd "$here/../.."
unset PYTHONPATH
python -m pip --disable-pip-version-check -q install --editable '.[test]'
# The tests skip what needs a GPU if they find none.  Here one must be found.
python -c "from minibn.backend import device_module; device_module('gpu')"
OPENBLAS_NUM_THREADS=1 exec python -m pytest -n auto --dist worksteal \
    tests/test_device*.py -k "not stand-in" "$@"
