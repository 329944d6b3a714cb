//! `[targets]`: where each AWS service really is.
//!
//! Everything has a default: without a setting all services are local.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use types::Secret;

use crate::Service;

/// All of `[targets]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Objects.
    pub s3: Place,
    /// Tables.
    pub dynamodb: DynamoDbSettings,
    /// Queues.
    pub sqs: Place,
    /// Topics.
    pub sns: SnsSettings,
    /// Data streams.
    pub kinesis: Place,
    /// Delivery streams.
    pub firehose: Place,
    /// Metrics.
    pub cloudwatch: Place,
    /// Logs.
    pub logs: Place,
    /// Secrets.
    pub secretsmanager: SecretsManagerSettings,
    /// Where roles are assumed.
    pub sts: Place,
    /// Whose credentials the `aws` back ends use that name none of their own.
    pub credentials: CredentialSettings,
    /// Profiles of the shared credentials file that stand for roles, by the role's ARN.
    pub roles: BTreeMap<String, String>,
    /// Whether the roles that have no profile are assumed, by `sts:AssumeRole`.
    pub assume_roles: bool,
    /// Bounds of what local back ends keep.
    pub local: LocalSettings,
}

/// Where one service is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Place {
    /// What stands for the service.
    pub backend: Backend,
    /// `https://host:port` of a compatible service; without it, AWS.
    pub endpoint: Option<String>,
    /// The region to call and to sign for; without it, the one of the ARN or URL in the request,
    /// else the rule's own.
    pub region: Option<String>,
    /// Whose credentials.
    #[serde(flatten)]
    pub credentials: CredentialSettings,
}

/// What stands for a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Backend {
    /// Ferrite itself keeps what it is sent.
    #[default]
    Local,
    /// AWS, or what speaks its protocol.
    Aws,
}

/// Credentials, or where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct CredentialSettings {
    /// The public half of static credentials.
    pub access_key_id: Option<String>,
    /// The secret half of static credentials.
    pub secret_access_key: Option<Secret>,
    /// What temporary credentials carry besides.
    pub session_token: Option<Secret>,
    /// A profile of the shared credentials file.
    pub profile: Option<String>,
    /// The shared credentials file, if it is not the user's `~/.aws/credentials`.
    pub credentials_file: Option<PathBuf>,
}

/// `[targets.dynamodb]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct DynamoDbSettings {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// The keys of local tables, by name. Others get theirs when they are first written to.
    pub tables: BTreeMap<String, TableSettings>,
}

/// The keys of a local table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TableSettings {
    /// The partition key's attribute.
    pub hash_key: String,
    /// `S`, `N` or `B`.
    #[serde(default)]
    pub hash_key_type: KeyType,
    /// The sort key's attribute, if there is one.
    #[serde(default)]
    pub range_key: Option<String>,
    /// `S`, `N` or `B`.
    #[serde(default)]
    pub range_key_type: KeyType,
}

/// The type of a key's attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, Deserialize)]
pub enum KeyType {
    /// Text.
    #[default]
    S,
    /// A number.
    N,
    /// Bytes.
    B,
}

/// `[targets.sns]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SnsSettings {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// URLs that messages of local topics are posted to, by the topic's name or ARN.
    pub webhooks: BTreeMap<String, String>,
}

/// `[targets.secretsmanager]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct SecretsManagerSettings {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// Local secrets, by name, or by ARN if they are of one account and region alone.
    pub secrets: BTreeMap<String, SecretSettings>,
}

/// A local secret: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecretSettings {
    /// The secret itself.
    pub text: Option<Secret>,
    /// The file that it is the text of.
    pub file: Option<PathBuf>,
    /// The file that it is the bytes of.
    pub binary_file: Option<PathBuf>,
}

/// `[targets.local]`: bounds of what local back ends keep.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LocalSettings {
    /// Whether an object is on the disk before its put is acknowledged.
    pub objects_synced: bool,
    /// Buckets.
    pub buckets_max: u32,
    /// Tables of an account in a region.
    pub tables_max: u32,
    /// Streams of an account in a region: queues, topics, data streams and delivery streams.
    pub streams_max: u32,
    /// What one stream keeps; the oldest records go first.
    pub stream_bytes_max: u64,
    /// For how long a stream keeps a record.
    pub stream_age_max_s: u64,
    /// Different metrics that are shown.
    pub metrics_max: u32,
}

impl Default for LocalSettings {
    fn default() -> Self {
        Self {
            objects_synced: true,
            buckets_max: 100,
            tables_max: 256,
            streams_max: 1000,
            stream_bytes_max: 256 << 20,
            stream_age_max_s: 7 * 24 * 3600,
            metrics_max: 1000,
        }
    }
}

impl Settings {
    /// Where `service` is.
    pub fn place(&self, service: Service) -> &Place {
        match service {
            Service::S3 => &self.s3,
            Service::DynamoDb => &self.dynamodb.place,
            Service::Sqs => &self.sqs,
            Service::Sns => &self.sns.place,
            Service::Kinesis => &self.kinesis,
            Service::Firehose => &self.firehose,
            Service::CloudWatch => &self.cloudwatch,
            Service::Logs => &self.logs,
            Service::SecretsManager => &self.secretsmanager.place,
            Service::Sts => &self.sts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_says_where_it_is_and_as_whom() {
        let settings: Settings = serde_json::from_str(
            r#"{"s3":{"backend":"aws","endpoint":"http://m:9000","access_key_id":"a","secret_access_key":"s"},
                "dynamodb":{"tables":{"t":{"hash_key":"id","range_key":"ts","range_key_type":"N"}}},
                "sns":{"webhooks":{"alarms":"https://example.com/hook"}}}"#,
        )
        .unwrap();
        assert_eq!(settings.s3.backend, Backend::Aws);
        let key = settings.s3.credentials.secret_access_key.as_ref();
        assert_eq!(key.map(Secret::expose), Some("s"));
        assert_eq!(settings.place(Service::DynamoDb).backend, Backend::Local);
        let table = &settings.dynamodb.tables["t"];
        assert_eq!((table.hash_key_type, table.range_key_type), (KeyType::S, KeyType::N));
        assert_eq!(settings.sns.webhooks.len(), 1);
        assert!(!format!("{settings:?}").contains("\"s\""));
    }
}
