//! JSON files that Kafka's tools read: partitions with something about each.

use std::fs;

use ringbrook_client::TopicPartition;
use serde_json::Value;

use super::Failure;

/// The objects in the list `partitions` of a file such as
/// `{"partitions": [{"topic": "t", "partition": 0, "offset": 1}], "version": 1}`.
#[derive(Debug)]
pub struct JsonFile {
    partitions: Vec<Value>,
}

impl JsonFile {
    /// Reads a file.
    ///
    /// # Errors
    /// It cannot be read, is no JSON, or has no list of partitions.
    pub fn read(path: &str) -> Result<Self, Failure> {
        let text = fs::read_to_string(path)
            .map_err(|error| Failure::Message(format!("Unable to read file {path}\n{error}")))?;
        Self::parse(&text)
    }

    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = |text: &str| Failure::Message(text.to_owned());
        let document: Value = serde_json::from_str(text)
            .map_err(|_| wrong("The input string is not a valid JSON"))?;
        match document.get("version").map(Value::as_i64) {
            None | Some(Some(1)) => {}
            _ => {
                let version = document.get("version").unwrap_or(&Value::Null);
                return Err(wrong(&format!(
                    "Not supported version field value {version}"
                )));
            }
        }
        let partitions = document.get("partitions");
        let partitions = partitions.ok_or_else(|| wrong("Missing partitions field"))?;
        match partitions.as_array() {
            Some(partitions) => Ok(Self {
                partitions: partitions.clone(),
            }),
            None => Err(wrong(&format!(
                "Expected JSON array, received {partitions}"
            ))),
        }
    }

    /// The partitions, each with its object.
    ///
    /// # Errors
    /// An object does not name a partition.
    pub fn partitions(&self) -> Result<Vec<(TopicPartition, &Value)>, Failure> {
        let partitions = self.partitions.iter().map(|object| {
            let topic = text_of(object, "topic")?;
            let partition = number_of(object, "partition")?;
            let partition = i32::try_from(partition)
                .map_err(|_| Failure::Message(format!("no partition has number {partition}")))?;
            Ok((TopicPartition::new(topic, partition), object))
        });
        partitions.collect()
    }
}

fn text_of<'a>(object: &'a Value, name: &str) -> Result<&'a str, Failure> {
    let value = field(object, name)?;
    value
        .as_str()
        .ok_or_else(|| Failure::Message(format!("Expected `String` value, received {value}")))
}

/// A whole number in an object.
///
/// # Errors
/// It is not there, or is none.
pub(crate) fn number_of(object: &Value, name: &str) -> Result<i64, Failure> {
    let value = field(object, name)?;
    value
        .as_i64()
        .ok_or_else(|| Failure::Message(format!("Expected `Long` value, received {value}")))
}

fn field<'a>(object: &'a Value, name: &str) -> Result<&'a Value, Failure> {
    object
        .get(name)
        .ok_or_else(|| Failure::Message(format!("No such field exists: `{name}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read() {
        let text = r#"{"partitions": [{"topic": "t", "partition": 3, "offset": 9}], "version": 1}"#;
        let file = JsonFile::parse(text).unwrap();
        let partitions = file.partitions().unwrap();
        assert_eq!(partitions[0].0, TopicPartition::new("t", 3));
        assert_eq!(number_of(partitions[0].1, "offset").unwrap(), 9);
    }

    #[test]
    fn what_is_wrong_is_said_as_kafka_says_it() {
        let error = |text: &str| match JsonFile::parse(text) {
            Err(failure) => failure.to_string(),
            Ok(file) => file.partitions().unwrap_err().to_string(),
        };
        assert_eq!(error("nonsense"), "The input string is not a valid JSON");
        assert_eq!(error("{}"), "Missing partitions field");
        assert_eq!(
            error(r#"{"version": 2}"#),
            "Not supported version field value 2"
        );
        assert_eq!(
            error(r#"{"partitions": [{"partition": 1}]}"#),
            "No such field exists: `topic`"
        );
    }
}
