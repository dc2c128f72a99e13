"""What a WSGI server runs: `wsgi:app`."""

import gc

from billing_admin import create_app

app = create_app()
# What stands by now stays: do not look through it again and again while a batch of thousands comes in.
gc.freeze()
gc.set_threshold(50_000, 20, 20)
