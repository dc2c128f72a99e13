"""Flask's command line with billing chunks of one account and files in parts of one KiB.

`python -m tests.faults.small_chunks --app wsgi worker`
"""

from flask.cli import main

from billing_admin.operations import files
from billing_admin.operations.billing import chunks

if __name__ == "__main__":
    chunks.CHUNK, files.PART_BYTES = 1, 1024
    main()
