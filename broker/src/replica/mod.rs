//! Partitions served by this broker, waiting fetches and acknowledgements.
