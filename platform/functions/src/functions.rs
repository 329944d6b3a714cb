//! From a name or ARN to a back end.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use data_encoding::HEXLOWER;
use env::Env;
use metrics::counter;
use outbound::Client;
use tokio::time::timeout;
use uuid::Builder;

use crate::error::InvokeError;
use crate::identity::FunctionId;
use crate::invocation::{FunctionResponse, Invocation, InvocationKind};
use crate::lambda::RemoteFunction;
use crate::local::{LocalFunction, Program, Work};
use crate::log::LogSink;
use crate::pattern::fit;
use crate::settings::{BackEnd, FunctionSettings, ProcessSettings, SettingsError, WebhookSettings};
use crate::webhook;

/// How many functions may have processes: a pattern stands for any number of names, and whoever
/// writes rules chooses them.
const LOCAL_FUNCTIONS_MAX: usize = 256;

/// All functions. Cheap to clone.
#[derive(Clone)]
pub struct Functions(Arc<Shared>);

/// What functions need of the server.
#[derive(Clone)]
pub struct Host {
    /// Time, randomness, tasks.
    pub env: Env,
    /// The region of functions that are named without one.
    pub region: String,
    /// The account of functions that are named without one.
    pub account: String,
    /// The server's environment: local functions get `PATH`, `HOME` and `LANG` of it, and nothing
    /// else; access keys for the Lambda API may stand in it.
    pub environment: BTreeMap<String, String>,
    /// Takes what local functions write.
    pub log: LogSink,
}

struct Shared {
    host: Arc<Host>,
    client: Client,
    configured: Vec<(String, Configured)>,
    local: Mutex<HashMap<LocalName, Arc<LocalFunction>>>,
}

/// The ARN as it is invoked: two versions are two programs to a handler.
type LocalName = String;

enum Configured {
    Process(ProcessSettings),
    Webhook(WebhookSettings),
    Lambda(RemoteFunction),
}

impl Functions {
    /// Functions by their settings: each key a name, an ARN, or a pattern of these.
    pub fn new(
        settings: &BTreeMap<String, FunctionSettings>,
        client: Client,
        host: Host,
    ) -> Result<Self, SettingsError> {
        let configured = settings.iter().map(|(key, settings)| {
            let configured = match settings.check(key)? {
                BackEnd::Process(settings) => Configured::Process(settings),
                BackEnd::Webhook(settings) => Configured::Webhook(settings),
                BackEnd::Lambda(settings) => Configured::Lambda(RemoteFunction::new(key, settings)),
            };
            Ok((key.clone(), configured))
        });
        let configured = configured.collect::<Result<_, SettingsError>>()?;
        let shared = Shared { host: Arc::new(host), client, configured, local: Mutex::default() };
        Ok(Self(Arc::new(shared)))
    }

    /// Invokes a function, and waits for what becomes of it.
    pub async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
        let outcome = self.0.invoke(invocation).await;
        let kind = outcome.as_ref().map_or_else(InvokeError::kind, |_| "answered");
        counter!("ferrite_function_invocations_total", "outcome" => kind).increment(1);
        outcome
    }

    /// Whether some setting says where `function` is; an error if it is no function's name.
    pub fn is_configured(&self, function: &str) -> Result<bool, InvokeError> {
        let id = self.0.id(function)?;
        Ok(self.0.configured(&id).is_some())
    }
}

impl Shared {
    async fn invoke(&self, invocation: Invocation) -> Result<FunctionResponse, InvokeError> {
        let id = self.id(&invocation.function)?;
        let (key, configured) = self.configured(&id).ok_or_else(|| not_configured(&id))?;
        check_payload(&id, &invocation)?;
        let after = invocation.timeout;
        let run = self.run(&id, key, configured, invocation);
        match after {
            None => run.await,
            Some(after) => timeout(after, run).await.unwrap_or_else(|_| {
                let function = id.arn.clone();
                Err(InvokeError::Timeout { function, after, is_ended: false })
            }),
        }
    }

    async fn run(
        &self,
        id: &FunctionId,
        key: &str,
        configured: &Configured,
        invocation: Invocation,
    ) -> Result<FunctionResponse, InvokeError> {
        let outside = (&*self.host, &self.client);
        match configured {
            Configured::Process(settings) => {
                let function = self.local(id, key, settings)?;
                let kind = invocation.kind;
                let payload = function.invoke(self.work(id, invocation)).await?;
                let is_wanted = kind == InvocationKind::RequestResponse;
                let payload = if is_wanted { payload } else { bytes::Bytes::new() };
                let executed_version = Some(id.version().to_owned());
                Ok(FunctionResponse { payload, executed_version })
            }
            Configured::Webhook(settings) => {
                let numbered = (&*self.request_id(), invocation);
                webhook::invoke(settings, outside, id, numbered).await
            }
            Configured::Lambda(remote) => remote.invoke(outside, id, invocation).await,
        }
    }

    fn id(&self, function: &str) -> Result<FunctionId, InvokeError> {
        FunctionId::parse(function, &self.host.region, &self.host.account)
    }

    /// The setting that fits best: the alias before the function, a name before a pattern.
    fn configured(&self, id: &FunctionId) -> Option<(&str, &Configured)> {
        let invoked_arn = id.invoked_arn();
        let qualified = id.qualifier.as_ref().map(|qualifier| format!("{}:{qualifier}", id.name));
        let forms = [Some(&*invoked_arn), qualified.as_deref(), Some(&*id.arn), Some(&*id.name)];
        let rank = |key: &str| {
            let fits = forms.iter().rev().enumerate().filter_map(|(rank, form)| {
                let fit = fit(key, (*form)?)?;
                Some((fit, rank))
            });
            fits.max()
        };
        let ranked =
            self.configured.iter().filter_map(|(key, found)| Some((rank(key)?, key, found)));
        ranked.max_by_key(|(rank, key, _)| (*rank, *key)).map(|(_, key, found)| (&**key, found))
    }

    /// The function's processes, which are there from its first invocation.
    fn local(
        &self,
        id: &FunctionId,
        key: &str,
        settings: &ProcessSettings,
    ) -> Result<Arc<LocalFunction>, InvokeError> {
        let mut local = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        let name = id.invoked_arn();
        if let Some(function) = local.get(&name) {
            return Ok(Arc::clone(function));
        }
        if local.len() >= LOCAL_FUNCTIONS_MAX {
            local.retain(|_, function| Arc::strong_count(function) > 1 || !function.is_cold());
        }
        if local.len() >= LOCAL_FUNCTIONS_MAX {
            let hint = format!("{LOCAL_FUNCTIONS_MAX} other functions have processes");
            return Err(InvokeError::Throttled { function: id.arn.clone(), hint });
        }
        let function = Arc::new(LocalFunction::new(Program {
            id: id.clone(),
            key: key.to_owned(),
            settings: settings.clone(),
            host: Arc::clone(&self.host),
        }));
        local.insert(name, Arc::clone(&function));
        Ok(function)
    }

    fn work(&self, id: &FunctionId, invocation: Invocation) -> Work {
        let Invocation { payload, client_context, .. } = invocation;
        let env = &self.host.env;
        let root = HEXLOWER.encode(&env.random.bytes::<12>());
        let parent = HEXLOWER.encode(&env.random.bytes::<8>());
        let now_s = env.clock.now().millis().div_euclid(1000);
        Work {
            request_id: self.request_id().into(),
            payload,
            invoked_arn: id.invoked_arn(),
            client_context,
            trace_id: format!("Root=1-{now_s:08x}-{root};Parent={parent};Sampled=0"),
        }
    }

    fn request_id(&self) -> String {
        Builder::from_random_bytes(self.host.env.random.bytes()).into_uuid().to_string()
    }
}

fn not_configured(id: &FunctionId) -> InvokeError {
    InvokeError::NotConfigured { function: id.invoked_arn(), name: id.name.clone() }
}

fn check_payload(id: &FunctionId, invocation: &Invocation) -> Result<(), InvokeError> {
    let (bytes, bytes_max) = (invocation.payload.len(), invocation.kind.bytes_max());
    if bytes > bytes_max {
        let function = id.arn.clone();
        return Err(InvokeError::PayloadTooLarge { function, bytes, bytes_max });
    }
    Ok(())
}
