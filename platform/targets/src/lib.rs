//! What stands for an AWS service: Ferrite itself, AWS, or what speaks AWS's protocols.
//!
//! A rule names its target as on AWS; the settings under `targets` say where that really is. A
//! call returns when what was sent is safe there, or says in AWS's words why it is not, and
//! whether to try again. Trying again is the caller's: a call is one attempt.

mod attribute_value;
mod aws;
mod aws_credentials;
mod caller;
mod cloudwatch;
mod dynamodb;
mod error;
mod firehose;
mod kinesis;
mod local;
mod logs;
mod s3;
mod secret_cache;
mod secretsmanager;
mod service;
mod settings;
mod sns;
mod sqs;
mod targets;

pub use attribute_value::{AttributeValue, Binary, Item, ItemKey};
pub use caller::Caller;
pub use cloudwatch::{CloudWatch, PutMetricData};
pub use dynamodb::{DeleteItem, DynamoDb, GetItem, PutItem, UpdateItem};
pub use error::TargetError;
pub use firehose::{Firehose, PutRecordBatch};
pub use kinesis::{Kinesis, KinesisRecord, PutRecord, PutRecords, RecordPlace};
pub use local::{
    ItemPage, Kinds, LocalPlaces, ObjectPage, ObjectSummary, StreamName, StreamPage, StreamRecord,
    Table, TableKey,
};
pub use logs::{LogEvent, LogSink, Logs, PutLogEvents};
pub use s3::{PutObject, S3};
pub use secretsmanager::{SecretValue, SecretsManager};
pub use service::Service;
pub use settings::{
    Backend, CredentialSettings, DynamoDbSettings, KeyType, LocalSettings, Place, SecretSettings,
    SecretsManagerSettings, Settings, SnsSettings, TableSettings,
};
pub use sns::{Publish, Sns};
pub use sqs::{MessageId, SendMessage, Sqs};
pub use targets::Targets;
