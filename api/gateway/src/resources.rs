//! The ARNs that a request names: what policies are asked about, and what the audit trail says.

use model::ServiceId;
use model::spec::OperationSpec;
use serde_json::Value;
use service::ApiError;
use types::{Arn, Tenant};

/// The prefix of the service's actions in IAM policies.
pub(crate) fn action_prefix(service: ServiceId) -> &'static str {
    match service {
        ServiceId::Iot | ServiceId::IotData | ServiceId::Tunneling => "iot",
        ServiceId::IotJobsData => "iotjobsdata",
        ServiceId::Wireless => "iotwireless",
        ServiceId::Greengrass => "greengrass",
        ServiceId::IotEvents | ServiceId::IotEventsData => "iotevents",
        ServiceId::Analytics => "iotanalytics",
        ServiceId::DeviceAdvisor => "iotdeviceadvisor",
    }
}

/// Input members that name resources, one or a list of them, with the resource's type in ARNs.
const IOT_NAMES: [(&str, &str); 30] = [
    ("policyName", "policy/"),
    ("certificateId", "cert/"),
    ("caCertificateId", "cacert/"),
    ("ruleName", "rule/"),
    ("jobId", "job/"),
    ("jobTemplateId", "jobtemplate/"),
    ("thingName", "thing/"),
    ("thingTypeName", "thingtype/"),
    ("thingGroupName", "thinggroup/"),
    ("parentGroupName", "thinggroup/"),
    ("thingGroupsToAdd", "thinggroup/"),
    ("thingGroupsToRemove", "thinggroup/"),
    ("billingGroupName", "billinggroup/"),
    ("roleAlias", "rolealias/"),
    ("authorizerName", "authorizer/"),
    ("domainConfigurationName", "domainconfiguration/"),
    ("templateName", "provisioningtemplate/"),
    ("securityProfileName", "securityprofile/"),
    ("scheduledAuditName", "scheduledaudit/"),
    ("actionName", "mitigationaction/"),
    ("metricName", "fleetmetric/"),
    ("otaUpdateId", "otaupdate/"),
    ("streamId", "stream/"),
    ("packageName", "package/"),
    ("commandId", "command/"),
    ("indexName", "index/"),
    ("certificateProviderName", "certificateprovider:"),
    ("clientId", "client/"),
    ("topic", "topic/"),
    ("tunnelId", "tunnel/"),
];

/// Members that hold ARNs. A Cognito identity, which stands in some of them, has none.
const ARNS: [&str; 4] = ["resourceArn", "principal", "target", "arn"];

/// Members that hold ARNs where a name was left out, or beside it.
const IOT_ARNS: [&str; 3] = ["thingArn", "thingGroupArn", "billingGroupArn"];

/// Operations whose policies are asked about some of the members only: those for which AWS's
/// service authorization reference or its developer guide has a resource type. About all others
/// the policy is asked whatever the request names.
const ASKED: [(&str, &[&str]); 21] = [
    ("AttachPolicy", &["target"]),
    ("DetachPolicy", &["target"]),
    ("AttachPrincipalPolicy", &["principal"]),
    ("DetachPrincipalPolicy", &["principal"]),
    ("AttachThingPrincipal", &["principal"]),
    ("DetachThingPrincipal", &["principal"]),
    ("TestAuthorization", &["principal"]),
    ("GetEffectivePolicies", &["principal"]),
    ("CreateThing", &["thingName", "billingGroupName"]),
    ("UpdateThing", &["thingName"]),
    ("CreateDynamicThingGroup", &["thingGroupName"]),
    ("UpdateDynamicThingGroup", &["thingGroupName"]),
    ("SendDirectMessage", &["clientId"]),
    ("ListThings", &[]),
    ("ListThingTypes", &[]),
    ("ListCACertificates", &[]),
    ("ListCertificatesByCA", &[]),
    ("ListManagedJobTemplates", &[]),
    ("ListPackageVersions", &[]),
    ("ListTopicRules", &[]),
    ("ListTunnels", &[]),
];

/// How many resources a request may name: a policy is asked about each of them.
const RESOURCES_MAX: usize = 256;

/// What a request is about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resources {
    /// The first ARN that it names, or `*`: what the audit trail says.
    pub(crate) subject: String,
    /// The ARNs that policies are asked about, or only `*`.
    pub(crate) asked: Vec<String>,
}

impl Resources {
    /// The resources that `input` names. Its certificate ids are to be in [`lower_case`].
    pub(crate) fn of(
        operation: &OperationSpec,
        tenant: &Tenant,
        input: &Value,
    ) -> Result<Self, ApiError> {
        let named: Vec<_> = named(operation, tenant, input).take(RESOURCES_MAX + 1).collect();
        if named.len() > RESOURCES_MAX {
            let message = format!("A request can name at most {RESOURCES_MAX} resources.");
            return Err(ApiError::invalid(message));
        }
        let members = ASKED.iter().find(|(name, _)| *name == operation.name);
        let is_asked = |member| members.is_none_or(|(_, members)| members.contains(&member));
        let subject = named.first().map_or_else(|| "*".to_owned(), |(_, arn)| arn.clone());
        let asked = named.into_iter().filter(|(member, _)| is_asked(*member));
        let mut asked: Vec<String> = asked.map(|(_, arn)| arn).collect();
        if asked.is_empty() {
            asked.push("*".to_owned());
        }
        Ok(Self { subject, asked })
    }
}

/// The ARN of each resource that `input` names, with the member that names it.
fn named<'i>(
    operation: &'i OperationSpec,
    tenant: &'i Tenant,
    input: &'i Value,
) -> impl Iterator<Item = (&'static str, String)> + 'i {
    let is_iot = matches!(
        operation.service,
        ServiceId::Iot | ServiceId::IotData | ServiceId::IotJobsData | ServiceId::Tunneling
    );
    let (names, more): (&[_], &[_]) = if is_iot { (&IOT_NAMES, &IOT_ARNS) } else { (&[], &[]) };
    let names = names.iter().flat_map(move |(member, kind)| {
        let is_ca = *member == "certificateId" && operation.name.ends_with("CACertificate");
        let kind = if is_ca { "cacert/" } else { kind };
        // A shadow by name is `thing/{thing}/{shadow}`.
        let shadow = texts(input, "shadowName").next().filter(|_| *member == "thingName");
        let below = shadow.map(|shadow| format!("/{shadow}")).unwrap_or_default();
        texts(input, member)
            .map(move |name| (*member, tenant.arn("iot", &format!("{kind}{name}{below}"))))
    });
    let arns = ARNS.iter().chain(more).flat_map(move |member| {
        let arns = texts(input, member).filter(|text| text.starts_with("arn:"));
        arns.map(move |arn| (*member, arn.to_owned()))
    });
    names.chain(arns)
}

/// What a member holds: a text, or a list of them.
fn texts<'i>(input: &'i Value, member: &str) -> impl Iterator<Item = &'i str> {
    let values = match input.get(member) {
        Some(Value::Array(items)) => items.as_slice(),
        Some(value) => std::slice::from_ref(value),
        None => &[],
    };
    values.iter().filter_map(Value::as_str)
}

/// Writes certificate ids as they are kept, in lower case. Requests may have them in capitals, and
/// a policy must be asked about the same resource that the operation then finds.
pub(crate) fn lower_case(service: ServiceId, input: &mut Value) {
    if service != ServiceId::Iot {
        return;
    }
    for member in ["certificateId", "caCertificateId"] {
        if let Some(Value::String(id)) = input.get_mut(member) {
            id.make_ascii_lowercase();
        }
    }
    for member in ARNS {
        let Some(Value::String(text)) = input.get_mut(member) else { continue };
        let kind_and_id = Arn::parse(text).ok().and_then(|arn| arn.type_and_name());
        if let Some(("cert" | "cacert", id)) = kind_and_id {
            let (start, id) = (text.len() - id.len(), id.to_ascii_lowercase());
            text.replace_range(start.., &id);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use types::TenantId;

    use super::*;

    const PREFIX: &str = "arn:aws:iot:eu-west-1:123456789012:";

    fn resources(name: &str, input: &Value) -> Result<Resources, ApiError> {
        let tenant = Tenant {
            id: TenantId(1),
            account: "123456789012".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let operation = model::operations().find(|o| o.name == name).unwrap();
        Resources::of(operation, &tenant, input)
    }

    /// What is asked about, without the beginning of the tenant's ARNs.
    fn asked(name: &str, input: Value) -> Vec<String> {
        let asked = resources(name, &input).unwrap().asked;
        asked.iter().map(|arn| arn.strip_prefix(PREFIX).unwrap_or(arn).to_owned()).collect()
    }

    #[test]
    fn a_policy_is_asked_about_the_resource_that_a_request_names() {
        for (name, input, resource) in [
            ("CreateThing", json!({"thingName": "a"}), "thing/a"),
            ("UpdateThing", json!({"thingName": "a", "thingTypeName": "t"}), "thing/a"),
            ("ListThings", json!({"thingTypeName": "t"}), "*"),
            ("ListThingTypes", json!({"thingTypeName": "t"}), "*"),
            ("ListThingGroups", json!({"parentGroup": "g"}), "*"),
            ("DescribeCertificate", json!({"certificateId": "c"}), "cert/c"),
            ("DescribeCACertificate", json!({"certificateId": "c"}), "cacert/c"),
            ("UpdateCACertificate", json!({"certificateId": "c"}), "cacert/c"),
            ("DeleteCACertificate", json!({"certificateId": "c"}), "cacert/c"),
            ("ListCertificatesByCA", json!({"caCertificateId": "c"}), "*"),
            ("ListCACertificates", json!({"templateName": "t"}), "*"),
            ("ListTargetsForPolicy", json!({"policyName": "p"}), "policy/p"),
            (
                "CreateDynamicThingGroup",
                json!({"thingGroupName": "g", "indexName": "i"}),
                "thinggroup/g",
            ),
            ("GetThingShadow", json!({"thingName": "t"}), "thing/t"),
            ("GetThingShadow", json!({"thingName": "t", "shadowName": "s"}), "thing/t/s"),
            ("Publish", json!({"topic": "t"}), "topic/t"),
            ("GetConnection", json!({"clientId": "a"}), "client/a"),
            ("SendDirectMessage", json!({"clientId": "a", "topic": "t"}), "client/a"),
            ("TagResource", json!({"resourceArn": "arn:aws:y"}), "arn:aws:y"),
            ("CreateTopicRule", json!({"ruleName": "r", "tags": "a=b"}), "rule/r"),
            ("ReplaceTopicRule", json!({"ruleName": "r"}), "rule/r"),
            ("GetTopicRule", json!({"ruleName": "r"}), "rule/r"),
            ("DeleteTopicRule", json!({"ruleName": "r"}), "rule/r"),
            ("EnableTopicRule", json!({"ruleName": "r"}), "rule/r"),
            ("DisableTopicRule", json!({"ruleName": "r"}), "rule/r"),
            ("ListTopicRules", json!({"topic": "t"}), "*"),
            ("CreateTopicRuleDestination", json!({}), "*"),
            ("GetTopicRuleDestination", json!({"arn": "arn:aws:d"}), "arn:aws:d"),
            ("UpdateTopicRuleDestination", json!({"arn": "arn:aws:d"}), "arn:aws:d"),
            ("DeleteTopicRuleDestination", json!({"arn": "arn:aws:d"}), "arn:aws:d"),
            ("ListTopicRuleDestinations", json!({}), "*"),
            ("ConfirmTopicRuleDestination", json!({"confirmationToken": "t"}), "*"),
        ] {
            assert_eq!(asked(name, input), [resource], "{name}");
        }
    }

    #[test]
    fn a_policy_is_asked_about_each_of_several_resources() {
        let group = json!({"thingGroupName": "g", "parentGroupName": "p"});
        assert_eq!(asked("CreateThingGroup", group), ["thinggroup/g", "thinggroup/p"]);
        let thing = json!({"thingName": "t", "thingTypeName": "y", "billingGroupName": "b"});
        assert_eq!(asked("CreateThing", thing), ["thing/t", "billinggroup/b"]);
        let mixed = json!({"billingGroupName": "g", "thingArn": "arn:aws:t"});
        assert_eq!(asked("AddThingToBillingGroup", mixed), ["billinggroup/g", "arn:aws:t"]);
        let arns = json!({"thingGroupArn": "arn:aws:g", "thingArn": "arn:aws:t"});
        assert_eq!(asked("RemoveThingFromThingGroup", arns), ["arn:aws:t", "arn:aws:g"]);
        let groups = json!({
            "thingName": "t", "thingGroupsToAdd": ["a", "b"], "thingGroupsToRemove": ["c"],
        });
        assert_eq!(
            asked("UpdateThingGroupsForThing", groups),
            ["thing/t", "thinggroup/a", "thinggroup/b", "thinggroup/c"]
        );
    }

    #[test]
    fn an_attachment_is_about_the_certificate_or_group_and_a_cognito_identity_has_no_arn() {
        let target = json!({"policyName": "p", "target": "arn:aws:x"});
        assert_eq!(asked("AttachPolicy", target), ["arn:aws:x"]);
        let principal = json!({"thingName": "t", "principal": "arn:aws:x"});
        assert_eq!(asked("AttachThingPrincipal", principal), ["arn:aws:x"]);
        let principal = json!({"clientId": "c", "principal": "arn:aws:x"});
        assert_eq!(asked("TestAuthorization", principal), ["arn:aws:x"]);
        let identity = json!({"thingName": "t", "principal": "eu-west-1:x"});
        assert_eq!(asked("GetEffectivePolicies", identity), ["*"]);
    }

    #[test]
    fn the_audit_trail_has_the_first_resource_that_a_request_names() {
        let subject = |name: &str, input| resources(name, &input).unwrap().subject;
        let target = json!({"policyName": "p", "target": "arn:aws:x"});
        assert_eq!(subject("AttachPolicy", target), format!("{PREFIX}policy/p"));
        assert_eq!(subject("CreateKeysAndCertificate", json!({"setAsActive": true})), "*");
    }

    #[test]
    fn a_request_that_names_too_many_resources_is_refused() {
        let groups = |count: usize| json!({"thingGroupsToAdd": vec!["g"; count]});
        let update = |count| resources("UpdateThingGroupsForThing", &groups(count));
        assert_eq!(update(RESOURCES_MAX).unwrap().asked.len(), RESOURCES_MAX);
        assert_eq!(update(RESOURCES_MAX + 1).unwrap_err().code, "InvalidRequestException");
    }

    #[test]
    fn certificate_ids_are_written_in_lower_case_and_names_are_left_alone() {
        let mut input = json!({
            "certificateId": "AB", "caCertificateId": "0xCD", "thingName": "T",
            "principal": format!("{PREFIX}cert/EF"), "target": format!("{PREFIX}thinggroup/G"),
            "resourceArn": format!("{PREFIX}cacert/0A"), "arn": "AB:cert/CD",
        });
        lower_case(ServiceId::Iot, &mut input);
        let expected = json!({
            "certificateId": "ab", "caCertificateId": "0xcd", "thingName": "T",
            "principal": format!("{PREFIX}cert/ef"), "target": format!("{PREFIX}thinggroup/G"),
            "resourceArn": format!("{PREFIX}cacert/0a"), "arn": "AB:cert/CD",
        });
        assert_eq!(input, expected);
    }
}
