"""Tests of the request handling that pages and API share."""
