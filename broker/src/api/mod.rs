//! The table of APIs: key, name, versions, handler; one file per API.
