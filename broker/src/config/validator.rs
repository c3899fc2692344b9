//! The range or set of values a config may have, with the refusals of Kafka's `ConfigDef`
//! validators. Called through `definition.rs`; rules over several keys are in `cross_check.rs`.

use super::value::Value;

/// What a value must satisfy beyond its type. An unset value (null default) satisfies every rule.
#[derive(Debug, Clone, PartialEq)]
pub enum Validator {
    /// Anything goes.
    Any,
    /// Kafka's `Range.atLeast`.
    AtLeast(f64),
    /// Kafka's `Range.between`, both ends included.
    Between(f64, f64),
    /// One value outside a range, or the range: gzip's level.
    ValueOrBetween(f64, f64, f64),
    /// `ValidString` and `CaseInsensitiveValidString`.
    OneOf {
        /// The words allowed.
        words: Vec<&'static str>,
        /// Whether case matters.
        is_case_sensitive: bool,
    },
    /// `ValidList`: no duplicates and no empty items.
    List {
        /// Whether the list may have no items.
        may_be_empty: bool,
        /// The items allowed; any when empty.
        words: Vec<&'static str>,
    },
    /// `NonEmptyString`.
    NonEmpty,
    /// `ThrottledReplicaListValidator`: `*`, or `partition:broker` pairs.
    ThrottledReplicas,
    /// `controller.quorum.voters`: `id@host:port` items.
    Voters,
    /// `controller.quorum.bootstrap.servers`: `host:port` items.
    HostPorts,
}

impl Validator {
    /// Parses the notation of `configs.tsv`; `None` when it is not understood.
    pub(super) fn from_notation(text: &'static str) -> Option<Self> {
        let words = |list: &'static str| list.split(',').collect::<Vec<_>>();
        if let Some(lowest) = text.strip_prefix(">=") {
            return Some(Self::AtLeast(lowest.parse().ok()?));
        }
        if let Some((kind, list)) = text.split_once(':') {
            return Some(match kind {
                "in" => Self::OneOf {
                    words: words(list),
                    is_case_sensitive: true,
                },
                "in~" => Self::OneOf {
                    words: words(list),
                    is_case_sensitive: false,
                },
                "list" => Self::List {
                    may_be_empty: true,
                    words: words(list),
                },
                "list+" => Self::List {
                    may_be_empty: false,
                    words: words(list),
                },
                _ => return None,
            });
        }
        if let Some((value, range)) = text.split_once('|') {
            let (low, high) = range.split_once("..")?;
            let number = |text: &str| text.parse().ok();
            return Some(Self::ValueOrBetween(
                number(value)?,
                number(low)?,
                number(high)?,
            ));
        }
        if let Some((low, high)) = text.split_once("..") {
            return Some(Self::Between(low.parse().ok()?, high.parse().ok()?));
        }
        Some(match text {
            // "nonnull" cannot be broken by a file or a request, which both carry text.
            "-" | "nonnull" => Self::Any,
            "list" => Self::List {
                may_be_empty: true,
                words: Vec::new(),
            },
            "list+" => Self::List {
                may_be_empty: false,
                words: Vec::new(),
            },
            "nonempty" => Self::NonEmpty,
            "throttled-replicas" => Self::ThrottledReplicas,
            "voters" => Self::Voters,
            "host-ports" => Self::HostPorts,
            _ => return None,
        })
    }

    /// Checks `value`.
    ///
    /// # Errors
    /// The allowed range or values, in Kafka's words.
    pub fn check(&self, value: &Value) -> Result<(), String> {
        match value {
            Value::Null => Ok(()),
            Value::Int(number) => self.check_number(f64::from(*number)),
            Value::Long(number) => self.check_number(long_to_double(*number)),
            Value::Double(number) => self.check_number(*number),
            Value::Text(text) => self.check_text(text),
            Value::List(items) => self.check_list(items),
            Value::Boolean(_) => Ok(()),
        }
    }

    fn check_number(&self, number: f64) -> Result<(), String> {
        match self {
            Self::AtLeast(low) | Self::Between(low, _) if number < *low => {
                Err(format!("Value must be at least {low}"))
            }
            Self::Between(_, high) if *high < number => {
                Err(format!("Value must be no more than {high}"))
            }
            Self::ValueOrBetween(value, low, high)
                if number != *value && (number < *low || *high < number) =>
            {
                Err(format!(
                    "Value must be between {low} and {high} or equal to {value}"
                ))
            }
            _ => Ok(()),
        }
    }

    fn check_text(&self, text: &str) -> Result<(), String> {
        match self {
            Self::OneOf {
                words,
                is_case_sensitive,
            } => {
                let matches = |word: &&str| match is_case_sensitive {
                    true => *word == text,
                    false => word.eq_ignore_ascii_case(text),
                };
                if words.iter().any(matches) {
                    Ok(())
                } else {
                    Err(must_be_one_of(words))
                }
            }
            Self::NonEmpty if text.is_empty() => Err("String must be non-empty".to_owned()),
            _ => Ok(()),
        }
    }

    fn check_list(&self, items: &[String]) -> Result<(), String> {
        match self {
            Self::List {
                may_be_empty,
                words,
            } => check_items(items, *may_be_empty, words),
            Self::ThrottledReplicas => check_throttled_replicas(items),
            Self::Voters => match items.iter().find(|item| !is_voter(item)) {
                Some(item) => Err(format!("{item} is not of the form id@host:port")),
                None => Ok(()),
            },
            Self::HostPorts => match items.iter().find(|item| !is_host_port(item)) {
                Some(item) => Err(format!("{item} is not of the form host:port")),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// Ranges in the table are far below 2^53, where a double is exact; beyond, the nearest double is
/// on the same side of every bound.
#[expect(
    clippy::cast_precision_loss,
    reason = "only compared with bounds far below 2^53"
)]
fn long_to_double(number: i64) -> f64 {
    number as f64
}

fn must_be_one_of(words: &[&str]) -> String {
    format!("String must be one of: {}", words.join(", "))
}

fn check_items(items: &[String], may_be_empty: bool, words: &[&str]) -> Result<(), String> {
    if items.is_empty() && !may_be_empty {
        return Err("List must not be empty".to_owned());
    }
    if items.iter().any(String::is_empty) {
        return Err("List must not contain empty items".to_owned());
    }
    if items
        .iter()
        .enumerate()
        .any(|(index, item)| items[..index].contains(item))
    {
        return Err("List must not contain duplicates".to_owned());
    }
    if words.is_empty() || items.iter().all(|item| words.contains(&item.as_str())) {
        return Ok(());
    }
    Err(must_be_one_of(words))
}

fn check_throttled_replicas(items: &[String]) -> Result<(), String> {
    let is_pair = |item: &String| match item.split_once(':') {
        Some((partition, broker)) => {
            partition.parse::<u32>().is_ok() && broker.parse::<u32>().is_ok()
        }
        None => false,
    };
    if matches!(items, [only] if only == "*") || items.iter().all(is_pair) {
        return Ok(());
    }
    Err(
        "Value must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
            .to_owned(),
    )
}

fn is_voter(item: &str) -> bool {
    item.split_once('@')
        .is_some_and(|(id, rest)| id.parse::<u32>().is_ok() && is_host_port(rest))
}

fn is_host_port(item: &str) -> bool {
    item.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests;
