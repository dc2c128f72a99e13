"""Flask's command line with billing chunks of one account: `python -m tests.faults.small_chunks --app wsgi worker`."""

from flask.cli import main

from billing_admin.operations.billing import chunks

if __name__ == "__main__":
    chunks.CHUNK = 1
    main()
