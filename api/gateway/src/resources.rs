//! The ARN that an operation is about, for IAM policies and the audit trail.

use model::ServiceId;
use model::spec::OperationSpec;
use serde_json::Value;
use types::Tenant;

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

/// Input members that name a resource, with the ARN's resource type. The first that an input has
/// decides, so that `(thingName, shadowName)` is the thing's.
const IOT_NAMES: [(&str, &str); 27] = [
    ("policyName", "policy/"),
    ("certificateId", "cert/"),
    ("caCertificateId", "cacert/"),
    ("ruleName", "rule/"),
    ("jobId", "job/"),
    ("jobTemplateId", "jobtemplate/"),
    ("thingName", "thing/"),
    ("thingTypeName", "thingtype/"),
    ("thingGroupName", "thinggroup/"),
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

/// Members that are ARNs themselves.
const ARNS: [&str; 4] = ["resourceArn", "principal", "target", "arn"];

/// Members that are ARNs where the name was left out, in the order of [`IOT_NAMES`].
const IOT_ARNS: [&str; 3] = ["thingArn", "thingGroupArn", "billingGroupArn"];

/// Creations that policies name by the certificate or key they make, which has no ARN yet.
const WITHOUT_RESOURCE: [&str; 5] = [
    "ListThings",
    "ListThingTypes",
    "RegisterThing",
    "CreateKeysAndCertificate",
    "CreateCertificateFromCsr",
];

/// Operations about a principal, whatever else they name.
const OF_A_PRINCIPAL: [&str; 2] = ["TestAuthorization", "GetEffectivePolicies"];
/// Operations whose `certificateId` is that of a CA certificate.
const OF_CA_CERTIFICATE: [&str; 3] =
    ["DescribeCACertificate", "UpdateCACertificate", "DeleteCACertificate"];

/// The ARN of what `input` is about, or `*` where the operation names no one resource.
pub(crate) fn arn(operation: &OperationSpec, tenant: &Tenant, input: &Value) -> String {
    if WITHOUT_RESOURCE.contains(&operation.name) {
        return "*".to_owned();
    }
    let text = |name: &str| input.get(name).and_then(Value::as_str);
    let is_iot = matches!(
        operation.service,
        ServiceId::Iot | ServiceId::IotData | ServiceId::IotJobsData | ServiceId::Tunneling
    );
    if is_iot && !OF_A_PRINCIPAL.contains(&operation.name) {
        for (member, prefix) in IOT_NAMES {
            if let Some(name) = text(member) {
                let is_ca = prefix == "cert/" && OF_CA_CERTIFICATE.contains(&operation.name);
                let prefix = if is_ca { "cacert/" } else { prefix };
                return tenant.arn("iot", &format!("{prefix}{name}"));
            }
        }
    }
    let more: &[&str] = if is_iot { &IOT_ARNS } else { &[] };
    let mut arns = ARNS.iter().chain(more).filter_map(|name| text(name));
    let arn = arns.find(|value| value.starts_with("arn:"));
    arn.unwrap_or("*").to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use types::TenantId;

    use super::*;

    #[test]
    fn a_request_is_about_the_resource_that_it_names() {
        let tenant = Tenant {
            id: TenantId(1),
            account: "123456789012".parse().unwrap(),
            region: "eu-west-1".parse().unwrap(),
        };
        let arn = |name: &str, input: Value| {
            let operation = model::operations().find(|o| o.name == name).unwrap();
            super::arn(operation, &tenant, &input)
        };
        let prefix = "arn:aws:iot:eu-west-1:123456789012:";
        assert_eq!(arn("CreateThing", json!({"thingName": "a"})), format!("{prefix}thing/a"));
        assert_eq!(
            arn("TestAuthorization", json!({"clientId": "c", "principal": "arn:aws:x"})),
            "arn:aws:x"
        );
        assert_eq!(
            arn("GetEffectivePolicies", json!({"thingName": "t", "principal": "eu-west-1:x"})),
            "*"
        );
        assert_eq!(
            arn("AttachPolicy", json!({"policyName": "p", "target": "arn:aws:x"})),
            format!("{prefix}policy/p")
        );
        assert_eq!(arn("TagResource", json!({"resourceArn": "arn:aws:y"})), "arn:aws:y");
        let add = "AddThingToBillingGroup";
        let by_arn = json!({"billingGroupArn": "arn:aws:g", "thingArn": "arn:aws:t"});
        assert_eq!(arn(add, by_arn), "arn:aws:t");
        let by_name = json!({"billingGroupName": "g", "thingArn": "arn:aws:t"});
        assert_eq!(arn(add, by_name), format!("{prefix}billinggroup/g"));
        let both = json!({"thingGroupArn": "arn:aws:g", "thingArn": "arn:aws:t"});
        assert_eq!(arn("AddThingToThingGroup", both), "arn:aws:t");
        assert_eq!(arn("ListThings", json!({"thingTypeName": "t"})), "*");
        assert_eq!(arn("GetConnection", json!({"clientId": "a"})), format!("{prefix}client/a"));
        let message = json!({"clientId": "a", "topic": "t"});
        assert_eq!(arn("SendDirectMessage", message), format!("{prefix}client/a"));
        for (name, member, resource) in [
            ("DescribeCertificate", "certificateId", "cert/c"),
            ("DescribeCACertificate", "certificateId", "cacert/c"),
            ("UpdateCACertificate", "certificateId", "cacert/c"),
            ("DeleteCACertificate", "certificateId", "cacert/c"),
            ("ListCertificatesByCA", "caCertificateId", "cacert/c"),
        ] {
            assert_eq!(arn(name, json!({member: "c"})), format!("{prefix}{resource}"));
        }
        assert_eq!(arn("Publish", json!({"topic": "t"})), format!("{prefix}topic/t"));
    }
}
