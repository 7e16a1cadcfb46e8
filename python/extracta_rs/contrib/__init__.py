"""Adapters for web frameworks, one module for each; what they share is in `_common`.

Users import them as `extracta_rs.flask`, `extracta_rs.fastapi` and so on.
"""
