"""A Lambda function as the documentation of Powertools for AWS Lambda (Python) 3.37 recommends it for a Kafka source:
the batch utility (`EventType.Kafka`, partial responses), and around what is done for each record the idempotency
utility with its DynamoDB layer, keyed by the event id that the producer gave. Powertools has no state of its own, so the
update of a device's state is written by hand: one `UpdateItem` that counts, sums, and keeps the latest reading
by the time of the event (last writer wins).

Left out, as the documentation's examples leave it out: bounds on timestamps, minima and maxima (an update expression knows
neither), history, and what becomes of a record that never succeeds: it is reported as failed, and the event source
mapping decides. The record is parsed once, outside the idempotent function, which is cheaper than the JMESPath functions
that would decode it for the key.
"""

import os
from decimal import Decimal

import boto3
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.kafka_event import KafkaEventRecord
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.exceptions import ClientError

session = boto3.session.Session()
dynamodb = session.client("dynamodb")
state_table = os.environ["STATE_TABLE"]

processor = BatchProcessor(event_type=EventType.Kafka)
persistence = DynamoDBPersistenceLayer(table_name=os.environ["IDEMPOTENCY_TABLE"], boto3_client=dynamodb)
config = IdempotencyConfig(event_key_jmespath="[device_id, event_id]", raise_on_no_idempotency_key=True)


def record_handler(record: KafkaEventRecord) -> None:
    apply_event(event=record.json_value)


@idempotent_function(data_keyword_argument="event", config=config, persistence_store=persistence)
def apply_event(event: dict) -> None:
    value = {"N": str(Decimal(str(event["payload"]["value"])))}
    observed = {"S": event["timestamp"]}
    try:
        dynamodb.update_item(
            TableName=state_table,
            Key={"device_id": {"S": event["device_id"]}},
            UpdateExpression="ADD event_count :one, value_sum :value SET latest = :value, latest_at = :at, event_type = :type",
            ConditionExpression="attribute_not_exists(latest_at) OR latest_at < :at",
            ExpressionAttributeValues={
                ":one": {"N": "1"},
                ":value": value,
                ":at": observed,
                ":type": {"S": event["event_type"]},
            },
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        # Not the newest: it counts, and the latest stays.
        dynamodb.update_item(
            TableName=state_table,
            Key={"device_id": {"S": event["device_id"]}},
            UpdateExpression="ADD event_count :one, value_sum :value",
            ExpressionAttributeValues={":one": {"N": "1"}, ":value": value},
        )


def lambda_handler(event: dict, context: LambdaContext) -> dict:
    config.register_lambda_context(context)
    return process_partial_response(event=event, record_handler=record_handler, processor=processor, context=context)
