"""The parts that all pages share.

They are access, sign-in, forms, lists, navigation and error pages.
"""
