//! Configuration under Kafka's names: definitions, `server.properties`, topic overrides.
