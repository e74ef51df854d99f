"""The reader: a small HTTP service that answers from the live release and from nothing else.

It needs only the `reader` extra. `layout` says how lists lie in a file, `snapshot` opens one, `watch` follows the
release pointer, `core` turns a request into an answer, `app` and `server` put that on HTTP.
"""
