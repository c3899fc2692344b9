//! Transactional batches that belong to no transaction: refused.

use ringbrook_protocol::ResponseError;
use ringbrook_protocol::messages::ProduceRequest;
use ringbrook_protocol::messages::TransactionalId;
use ringbrook_record::{BatchBuilder, Codec};
use ringbrook_tests::{SharedBroker, by_name, error, produce_request, single_produced, unique};

fn request(topic: &str) -> anyhow::Result<ProduceRequest> {
    let mut batch = BatchBuilder::new().producer(7, 0, 0).transactional();
    batch.append(1_700_000_000_000, None, Some(b"value"), [])?;
    let records = batch.finish(Codec::None, None)?.freeze();
    Ok(produce_request(by_name(topic), 0, -1, records))
}

#[test]
fn transactional_batches_need_a_transactional_id_and_an_open_transaction() -> anyhow::Result<()> {
    let broker = SharedBroker::current()?;
    let mut client = broker.client()?;
    let topic = unique("transactional");
    client.create_topic(&topic, 1, &[])?;
    let without_id = request(&topic)?;
    let with_id = without_id
        .clone()
        .with_transactional_id(Some(TransactionalId(topic.clone().into())));
    // Nobody has heard of the id; while nobody coordinates it, the client shall try again.
    for (request, expected) in [
        (
            without_id,
            &[ResponseError::TransactionalIdAuthorizationFailed][..],
        ),
        (
            with_id,
            &[
                ResponseError::InvalidProducerIdMapping,
                ResponseError::NotEnoughReplicas,
            ],
        ),
    ] {
        let produced = single_produced(client.call(&request, 9)?)?;
        let found = error(produced.error_code);
        assert!(
            found.is_some_and(|found| expected.contains(&found)),
            "{found:?}"
        );
        assert_eq!(produced.base_offset, -1);
    }
    assert!(
        client.texts(&topic, 0, 0)?.is_empty(),
        "nothing was appended"
    );
    Ok(())
}
