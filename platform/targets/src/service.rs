//! The AWS services that targets stand for, and the names that each goes by.

/// An AWS service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// Objects.
    S3,
    /// Tables.
    DynamoDb,
    /// Queues.
    Sqs,
    /// Topics.
    Sns,
    /// Data streams.
    Kinesis,
    /// Delivery streams.
    Firehose,
    /// Metrics.
    CloudWatch,
    /// Logs.
    Logs,
    /// Secrets.
    SecretsManager,
    /// Temporary credentials.
    Sts,
}

impl Service {
    /// What its section of the settings is called.
    pub fn setting(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::Kinesis => "kinesis",
            Self::Firehose => "firehose",
            Self::CloudWatch => "cloudwatch",
            Self::Logs => "logs",
            Self::SecretsManager => "secretsmanager",
            Self::Sts => "sts",
        }
    }

    /// What signatures and hosts call it: `monitoring.us-east-1.amazonaws.com`.
    pub(crate) fn signing_name(self) -> &'static str {
        match self {
            Self::CloudWatch => "monitoring",
            other => other.setting(),
        }
    }

    /// What AWS's SDK calls it in the text of an error.
    pub(crate) fn sdk_name(self) -> &'static str {
        match self {
            Self::S3 => "Amazon S3",
            Self::DynamoDb => "AmazonDynamoDBv2",
            Self::Sqs => "AmazonSQS",
            Self::Sns => "AmazonSNS",
            Self::Kinesis => "AmazonKinesis",
            Self::Firehose => "AmazonKinesisFirehose",
            Self::CloudWatch => "AmazonCloudWatch",
            Self::Logs => "AWSLogs",
            Self::SecretsManager => "AWSSecretsManager",
            Self::Sts => "AWSSecurityTokenService",
        }
    }
}
