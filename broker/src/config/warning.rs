//! What the broker says about a configuration it accepts. Printed by `main` at the start.

use std::fmt;

use super::{
    definition::{self, Ignored, Support},
    topic,
};

/// One remark, one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigWarning {
    /// Neither Kafka nor Ringbrook knows the key.
    Unknown {
        /// The key.
        name: String,
        /// The known name it may have been meant to be.
        nearest: Option<&'static str>,
    },
    /// A topic config in a broker's file.
    TopicConfig {
        /// The key.
        name: String,
        /// The broker config that sets the default for topics, where there is one.
        broker_name: Option<&'static str>,
    },
    /// Kafka knows the key, and it is set to something else than its default, without effect.
    Ignored {
        /// The key.
        name: String,
        /// Why it has no effect.
        reason: Ignored,
    },
    /// Kafka before 4.0 knew the key.
    Retired {
        /// The key.
        name: String,
        /// What became of it.
        note: &'static str,
    },
    /// A listener of `controller.listener.names`, which is not opened.
    ControllerListener {
        /// The listener's name.
        name: String,
    },
    /// Something else worth saying.
    Note(String),
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown {
                name,
                nearest: Some(nearest),
            } => {
                write!(f, "unknown config {name}: did you mean {nearest}?")
            }
            Self::Unknown {
                name,
                nearest: None,
            } => write!(f, "unknown config {name}"),
            Self::TopicConfig {
                name,
                broker_name: Some(broker_name),
            } => {
                write!(
                    f,
                    "{name} is a topic config: its default for topics is {broker_name}"
                )
            }
            Self::TopicConfig {
                name,
                broker_name: None,
            } => {
                write!(
                    f,
                    "{name} is a topic config and has no effect in a broker's file"
                )
            }
            Self::Ignored { name, reason } => write!(f, "{name} is ignored: {reason}"),
            Self::Retired { name, note } => {
                write!(f, "{name} is ignored: Kafka 4 no longer has it ({note})")
            }
            Self::ControllerListener { name } => write!(
                f,
                "the controller listener {name} is not opened: a single node needs none"
            ),
            Self::Note(text) => f.write_str(text),
        }
    }
}

/// The warning that a key of a properties file deserves, if any. `value` has been checked when the
/// key is a known one.
pub(super) fn warning_for(name: &str, value: &str) -> Option<ConfigWarning> {
    if let Some(known) = definition::broker_config(name) {
        let Support::Ignored(reason) = known.support else {
            return None;
        };
        if known
            .parse(value)
            .is_ok_and(|value| value == known.default_value)
        {
            return None;
        }
        return Some(ConfigWarning::Ignored {
            name: name.to_owned(),
            reason,
        });
    }
    let name = name.to_owned();
    if let Some(retired) = definition::retired_config(&name) {
        return Some(ConfigWarning::Retired {
            name,
            note: retired.documentation,
        });
    }
    if let Some(base) = listener_base(&name) {
        return Some(ConfigWarning::Ignored { reason: base, name });
    }
    if definition::topic_config(&name).is_some() {
        let broker_name = topic::broker_synonyms(&name)
            .first()
            .map(|synonym| synonym.name);
        return Some(ConfigWarning::TopicConfig { name, broker_name });
    }
    let nearest = nearest_name(&name);
    Some(ConfigWarning::Unknown { name, nearest })
}

/// Why `listener.name.<listener>[.<mechanism>].<config>` has no effect; `None` when `name` is not
/// of that form.
fn listener_base(name: &str) -> Option<Ignored> {
    let (_listener, config) = name.strip_prefix("listener.name.")?.split_once('.')?;
    let base = match definition::broker_config(config) {
        Some(base) => Some(base),
        // SASL settings carry the mechanism before the config's own name.
        None => config
            .split_once('.')
            .and_then(|(_, rest)| definition::broker_config(rest)),
    };
    match base?.support {
        Support::Ignored(reason) => Some(reason),
        Support::Honoured | Support::Retired => Some(Ignored::PerListener),
    }
}

/// The known broker config most like `name`, if one is near enough to be what was meant: a few
/// letters inserted, dropped, changed or swapped, the more the longer the name is.
pub(super) fn nearest_name(name: &str) -> Option<&'static str> {
    let edits_max = 1 + name.len().min(48) / 8;
    definition::broker_configs()
        .iter()
        .filter(|known| !known.is_internal())
        .filter(|known| known.name.len().abs_diff(name.len()) <= edits_max)
        .map(|known| (strsim::osa_distance(known.name, name), known.name))
        .min()
        .and_then(|(edits, known)| (edits <= edits_max).then_some(known))
}

#[cfg(test)]
mod tests;
