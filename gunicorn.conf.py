"""Settings of gunicorn, which reads this file in its working directory.

By default gunicorn trusts every client on the loopback address: with a header it could choose the scheme, the path and the
prefix of a URL. Headers of proxies count only if BILLING_PROXIES says so.
"""

forwarded_allow_ips = ""
forwarder_headers = ""
proxy_allow_ips = ""
control_socket_disable = True
umask = 0o077
