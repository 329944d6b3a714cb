//! What becomes of permissions when the registry changes.
