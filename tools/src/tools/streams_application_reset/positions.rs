//! Where the application reads its input topics next, by the strategy that options name.

use ringbrook_client::admin::OffsetSpec;
use ringbrook_client::clock::now_ms;
use ringbrook_client::{Admin, TopicPartition};

use crate::frame::{Context, Failure, Options};
use crate::tools::consumer_groups::{
    Offsets, committed, datetime_ms, duration_ms, log_offsets, read_plan,
};

/// The new offset of each partition; of all of them the earliest unless an option says otherwise.
pub(super) async fn new_positions(
    admin: &Admin,
    group: &str,
    partitions: &[TopicPartition],
    options: &Options<'_>,
    context: &mut Context,
) -> Result<Offsets, Failure> {
    let all = || partitions.iter().cloned();
    if let Some(offset) = options.number("to-offset")? {
        let wanted = all().map(|partition| (partition, offset)).collect();
        return in_range(admin, partitions, &wanted, context).await;
    }
    if let Some(by) = options.number::<i64>("shift-by")? {
        let committed = committed(admin, group).await?;
        // Where nothing is committed, the consumer of Kafka's tool stands at the end.
        let mut wanted = log_offsets(admin, all(), OffsetSpec::Latest).await?;
        for (partition, offset) in &mut wanted {
            let position = committed.get(partition).map_or(*offset, |it| it.offset);
            *offset = position.saturating_add(by);
        }
        return in_range(admin, partitions, &wanted, context).await;
    }
    if let Some(text) = options.text("to-datetime") {
        let time_ms = datetime_ms(text).map_err(Failure::Message)?;
        return at(admin, partitions, time_ms, context).await;
    }
    if let Some(text) = options.text("by-duration") {
        let ago_ms = duration_ms(text).map_err(Failure::Message)?;
        return at(admin, partitions, now_ms().saturating_sub(ago_ms), context).await;
    }
    if let Some(path) = options.text("from-file") {
        let planned = planned(path, group)?;
        let missing = partitions.iter().find(|it| !planned.contains_key(it));
        if let Some(missing) = missing {
            return Err(Failure::Message(format!(
                "{path} has no offset for {missing}"
            )));
        }
        return in_range(admin, partitions, &planned, context).await;
    }
    let spec = match options.has("to-latest") {
        true => OffsetSpec::Latest,
        false => OffsetSpec::Earliest,
    };
    log_offsets(admin, all(), spec).await
}

fn planned(path: &str, group: &str) -> Result<Offsets, Failure> {
    let failed = |what: String| Failure::Message(format!("{path}: {what}"));
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let mut plan = read_plan(&text, Some(group)).map_err(failed)?;
    Ok(plan.remove(group).unwrap_or_default())
}

async fn in_range(
    admin: &Admin,
    partitions: &[TopicPartition],
    wanted: &Offsets,
    context: &mut Context,
) -> Result<Offsets, Failure> {
    let start = log_offsets(admin, partitions.iter().cloned(), OffsetSpec::Earliest).await?;
    let end = log_offsets(admin, partitions.iter().cloned(), OffsetSpec::Latest).await?;
    let mut offsets = Offsets::new();
    for partition in partitions {
        let bound = |of: &Offsets| of.get(partition).copied().unwrap_or_default();
        let (moved, said) = moved(bound(wanted), bound(&start), bound(&end));
        if let Some(said) = said {
            context.line(said)?;
        }
        offsets.insert(partition.clone(), moved);
    }
    Ok(offsets)
}

/// An offset within its partition, and what there is to say if it is another then.
fn moved(offset: i64, start: i64, end: i64) -> (i64, Option<String>) {
    let (bound, which) = if end <= offset {
        (end, "higher than latest")
    } else if offset <= start {
        (start, "lower than earliest")
    } else {
        return (offset, None);
    };
    let said = format!("New offset ({offset}) is {which} offset. Value will be set to {bound}");
    (bound, Some(said))
}

async fn at(
    admin: &Admin,
    partitions: &[TopicPartition],
    time_ms: i64,
    context: &mut Context,
) -> Result<Offsets, Failure> {
    let spec = OffsetSpec::Timestamp(time_ms);
    let mut offsets = log_offsets(admin, partitions.iter().cloned(), spec).await?;
    let is_missing = |partition: &&TopicPartition| offsets.get(*partition) == Some(&-1);
    let missing: Vec<_> = partitions.iter().filter(is_missing).cloned().collect();
    for partition in &missing {
        context.line(format_args!(
            "Partition {} from topic {} is empty, without a committed record. Falling back to \
             latest known offset.",
            partition.partition, partition.topic
        ))?;
    }
    offsets.extend(log_offsets(admin, missing, OffsetSpec::Latest).await?);
    Ok(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Kafka's tool says so even of the bounds themselves.
    #[test]
    fn offsets_stay_within_their_partitions() {
        assert_eq!(moved(5, 0, 9), (5, None));
        for (offset, bound, said) in [
            (9, 9, "New offset (9) is higher than latest offset."),
            (12, 9, "New offset (12) is higher than latest offset."),
            (2, 2, "New offset (2) is lower than earliest offset."),
            (-1, 2, "New offset (-1) is lower than earliest offset."),
        ] {
            let (moved, text) = moved(offset, 2, 9);
            assert_eq!(moved, bound);
            assert_eq!(text, Some(format!("{said} Value will be set to {bound}")));
        }
    }
}
