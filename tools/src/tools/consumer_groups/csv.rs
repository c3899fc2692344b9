//! Plans of offsets as CSV: `topic,partition,offset` of one group, or `group,topic,...` of several.
//! Pure.

use std::collections::BTreeMap;

use ringbrook_client::TopicPartition;

/// Offsets to be committed, by group.
pub(in crate::tools) type Plan = BTreeMap<String, BTreeMap<TopicPartition, i64>>;

/// Writes a plan; with the groups' names unless there is one group only.
pub(super) fn write(plan: &Plan, is_of_one_group: bool) -> String {
    let mut csv = String::new();
    for (group, offsets) in plan {
        for (partition, offset) in offsets {
            if !is_of_one_group {
                csv.push_str(&quoted(group));
                csv.push(',');
            }
            let (topic, number) = (quoted(&partition.topic), partition.partition);
            csv.push_str(&format!("{topic},{number},{offset}\n"));
        }
    }
    csv
}

/// The longest field that Jackson, the writer of Kafka's tool, looks into; longer ones get quotes.
const UNQUOTED_CHARS_MAX: usize = 24;

/// A field, in quotes where Jackson writes some: up to a comma, every character asks for them.
fn quoted(field: &str) -> String {
    let is_long = UNQUOTED_CHARS_MAX < field.encode_utf16().count();
    if is_long || field.contains(|character| character <= ',' || character == '\\') {
        return format!("\"{}\"", field.replace('"', "\"\""));
    }
    field.to_owned()
}

/// Reads a plan; lines without a group are those of `one_group`.
///
/// # Errors
/// A line that is none of a plan, in words.
pub(in crate::tools) fn read(csv: &str, one_group: Option<&str>) -> Result<Plan, String> {
    let mut plan = Plan::new();
    for (index, line) in csv.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let wrong = || {
            format!(
                "line {} of the plan, '{line}', is neither topic,partition,offset nor \
                 group,topic,partition,offset",
                index + 1
            )
        };
        let fields = fields(line).ok_or_else(wrong)?;
        let (group, rest) = match (fields.as_slice(), one_group) {
            ([_, _, _], Some(group)) => (group, &fields[..]),
            ([group, _, _, _], _) => (group.as_str(), &fields[1..]),
            _ => return Err(wrong()),
        };
        let (Ok(partition), Ok(offset)) = (rest[1].trim().parse(), rest[2].trim().parse()) else {
            return Err(wrong());
        };
        let partition = TopicPartition::new(rest[0].as_str(), partition);
        plan.entry(group.to_owned())
            .or_default()
            .insert(partition, offset);
    }
    Ok(plan)
}

/// The fields of a line; `None` when a quote is not closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut is_quoted = false;
    let mut characters = line.trim_end_matches('\r').chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if is_quoted && characters.peek() == Some(&'"') => {
                characters.next();
                fields.last_mut()?.push('"');
            }
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => fields.push(String::new()),
            _ => fields.last_mut()?.push(character),
        }
    }
    (!is_quoted).then_some(fields)
}

#[cfg(test)]
mod tests;
