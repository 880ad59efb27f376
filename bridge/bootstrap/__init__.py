"""The composition root: a configuration becomes the objects of a running bridge.

The only package that knows every class. Heavy libraries (HTTP, MQTT, the web server) are imported
by the stage that needs them, after the readers have been started: a mat reads first.
"""
