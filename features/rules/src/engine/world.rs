//! What actions and functions of rules reach beyond the message.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use functions::Invocation;
use serde_json::{Value, json};
use service::{App, Cx, Endpoint, Output};
use sql::Request;
use targets::{AttributeValue, Caller, GetItem, Item, ItemKey, SecretValue};
use types::Tenant;

use super::heard::Heard;
use crate::Outside;
use crate::live::Live;

/// How long `aws_lambda` waits for its function.
const LAMBDA_WITHIN: Duration = Duration::from_millis(2000);
/// Operations that functions of SQL ask.
const OPERATIONS: [&str; 3] = ["DescribeThing", "ListThingGroupsForThing", "GetThingShadow"];
/// What a thing, or a shadow, may be called.
const NAME_BYTES_MAX: usize = 128;

/// The parts of the server, and of what is outside, that rules reach.
pub(crate) struct World {
    /// The server.
    pub(crate) app: Arc<App>,
    /// What is outside of it.
    pub(crate) outside: Outside,
    /// Rules and destinations as the API has them; made after the engine.
    pub(crate) live: OnceLock<Weak<Live>>,
    operations: OnceLock<HashMap<&'static str, Endpoint>>,
}

impl World {
    /// A world in which nothing but what is outside is known yet.
    pub(crate) fn new(app: &Arc<App>, outside: Outside) -> Self {
        let app = Arc::clone(app);
        Self { app, outside, live: OnceLock::new(), operations: OnceLock::new() }
    }

    /// Makes the operations known that functions ask; only the first call counts.
    pub(crate) fn set_operations<'e>(&self, endpoints: impl IntoIterator<Item = &'e Endpoint>) {
        let wanted = endpoints.into_iter().filter(|it| OPERATIONS.contains(&it.spec.name));
        self.operations.get_or_init(|| {
            wanted.map(|endpoint| (endpoint.spec.name, endpoint.clone())).collect()
        });
    }

    /// Whether a destination wants messages of rules.
    pub(crate) fn may_send_to(&self, tenant: &Tenant, confirmation_url: &str) -> bool {
        let live = self.live.get().and_then(Weak::upgrade);
        live.is_some_and(|live| live.tenant(tenant.id).may_send_to(confirmation_url))
    }

    /// The answer to what a statement asks for, or why there is none.
    pub(crate) async fn answer(&self, heard: &Heard, request: &Request) -> Result<Vec<u8>, String> {
        let tenant = &heard.tenant;
        match request {
            Request::Lambda { function, payload } => self.invoke(function, payload.clone()).await,
            Request::DynamoDb { table, keys, role } => self.item(tenant, table, keys, role).await,
            Request::ThingShadow { thing, shadow, role } => {
                let input = match shadow {
                    Some(shadow) => json!({ "thingName": thing, "shadowName": shadow }),
                    None => json!({ "thingName": thing }),
                };
                let names = [Some(thing), shadow.as_ref()];
                self.ask(tenant, "GetThingShadow", &names, input, role).await
            }
            Request::RegistryData { operation, thing, role } => {
                if !OPERATIONS[..2].contains(&operation.as_str()) {
                    return Err(format!("{operation} is no operation that it calls"));
                }
                let input = json!({ "thingName": thing });
                self.ask(tenant, operation, &[Some(thing)], input, role).await
            }
            Request::Prediction { model, record, .. } => {
                let payload = format!("{{\"modelId\":{},\"record\":{record}}}", json!(model));
                self.invoke(model, payload.into_bytes()).await
            }
            Request::Descriptor { bucket, key } => self.object(tenant, bucket, key).await,
            Request::Secret { id, role } => self.secret(tenant, id, role).await,
        }
    }

    async fn invoke(&self, function: &str, payload: Vec<u8>) -> Result<Vec<u8>, String> {
        let request = Invocation {
            timeout: Some(LAMBDA_WITHIN),
            ..Invocation::request(function, payload.into())
        };
        let response = self.outside.functions.invoke(request).await;
        response.map(|response| response.payload.to_vec()).map_err(|error| error.chain())
    }

    async fn item(
        &self,
        tenant: &Tenant,
        table: &str,
        keys: &[(String, String)],
        role: &str,
    ) -> Result<Vec<u8>, String> {
        let key: ItemKey =
            keys.iter().map(|(name, value)| (name.clone(), key_value(value))).collect();
        let get = GetItem { table: table.to_owned(), key };
        let caller = caller(tenant, Some(role));
        let item = self.outside.targets.dynamodb().get_item(&caller, get).await;
        let item = item.map_err(|error| error.to_string())?;
        Ok(item.map_or(Value::Null, |item| plain_item(&item)).to_string().into_bytes())
    }

    async fn object(&self, tenant: &Tenant, bucket: &str, key: &str) -> Result<Vec<u8>, String> {
        let object = self.outside.targets.s3().get_object(&caller(tenant, None), bucket, key).await;
        let object = object.map_err(|error| error.to_string())?;
        let object = object.ok_or_else(|| format!("the bucket {bucket} has no object {key}"))?;
        Ok(object.to_vec())
    }

    async fn secret(&self, tenant: &Tenant, id: &str, role: &str) -> Result<Vec<u8>, String> {
        let secrets = self.outside.targets.secretsmanager();
        let secret = secrets.get_secret_value(&caller(tenant, Some(role)), id).await;
        let secret = secret.map_err(|error| error.to_string())?;
        let answer = match &*secret {
            SecretValue::Text(text) => json!({ "SecretString": text.expose() }),
            SecretValue::Binary(base64) => json!({ "SecretBinary": base64.expose() }),
        };
        Ok(answer.to_string().into_bytes())
    }

    /// Calls an operation of this server in the name of a role.
    async fn ask(
        &self,
        tenant: &Tenant,
        operation: &str,
        names: &[Option<&String>],
        input: Value,
        role: &str,
    ) -> Result<Vec<u8>, String> {
        if let Some(name) = names.iter().flatten().find(|name| !is_name(name)) {
            return Err(format!("{name} is not the name of a thing or a shadow"));
        }
        let endpoint = self.operations.get().and_then(|known| known.get(operation));
        let endpoint = endpoint.ok_or_else(|| format!("{operation} is not there"))?;
        let caller = service::Caller {
            access_key_id: String::new(),
            account: tenant.account,
            arn: role.to_owned(),
            user_id: role.to_owned(),
            source_ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_over_tls: true,
            is_root: false,
        };
        let cx = Cx::of_server(&self.app, tenant.clone(), caller, endpoint.spec.name, "*");
        match endpoint.call(cx, input).await.map_err(|error| error.to_string())? {
            Output::Empty => Ok(Vec::new()),
            Output::Body(body) => Ok(body.to_vec()),
            Output::Members(members) => Ok(members.to_string().into_bytes()),
        }
    }
}

fn caller(tenant: &Tenant, role: Option<&str>) -> Caller {
    Caller { tenant: tenant.clone(), role_arn: role.map(str::to_owned) }
}

/// The names that the registry's models allow.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b":_-".contains(&byte);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_letter)
}

/// A key's value, which came as JSON: a text or a number.
fn key_value(json: &str) -> AttributeValue {
    match serde_json::from_str::<String>(json) {
        Ok(text) => AttributeValue::S(text),
        Err(_) => AttributeValue::N(json.to_owned()),
    }
}

fn plain_item(item: &Item) -> Value {
    item.iter().map(|(name, value)| (name.clone(), plain(value))).collect()
}

/// A value of DynamoDB as JSON has it.
fn plain(value: &AttributeValue) -> Value {
    let number =
        |text: &String| serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
    match value {
        AttributeValue::S(text) => json!(text),
        AttributeValue::N(text) => number(text),
        AttributeValue::Bool(boolean) => json!(boolean),
        AttributeValue::Null(_) => Value::Null,
        AttributeValue::L(items) => items.iter().map(plain).collect(),
        AttributeValue::M(members) => plain_item(members),
        AttributeValue::Ss(texts) => json!(texts),
        AttributeValue::Ns(numbers) => numbers.iter().map(number).collect(),
        AttributeValue::B(_) | AttributeValue::Bs(_) => serde_json::to_value(value)
            .ok()
            .and_then(|tagged| {
                tagged.as_object().and_then(|members| members.values().next().cloned())
            })
            .unwrap_or_default(),
    }
}
