//! The policy that a new device gets: its own topics and its own shadow, as itself.

use types::Arn;

/// Where a device lives: the first five fields of its ARN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) partition: String,
    pub(super) region: String,
    pub(super) account: String,
}

impl Home {
    /// The home of the thing with this ARN.
    pub(super) fn of(arn: &str) -> anyhow::Result<Self> {
        let arn = Arn::parse(arn)?;
        Ok(Self {
            partition: arn.partition.to_owned(),
            region: arn.region.to_owned(),
            account: arn.account.to_owned(),
        })
    }

    fn arn(&self, resource: &str) -> String {
        let Self { partition, region, account } = self;
        format!("\"arn:{partition}:iot:{region}:{account}:{resource}\"")
    }
}

/// What the policy of a device is called. A thing's name may hold colons, a policy's may not.
pub(super) fn name(device: &str) -> String {
    format!("{}-policy", device.replace(':', "_"))
}

/// The document, as a person would write it.
pub(super) fn document(device: &str, home: &Home) -> String {
    let clients = [format!("client/{device}"), format!("client/{device}-*")];
    let own = |kind: &str| [format!("{kind}/{device}/*"), format!("{kind}/$aws/things/{device}/*")];
    let statements = [
        statement(r#""iot:Connect""#, &clients, home),
        statement(r#"["iot:Publish", "iot:Receive"]"#, &own("topic"), home),
        statement(r#""iot:Subscribe""#, &own("topicfilter"), home),
    ];
    format!(
        "{{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n{}\n  ]\n}}\n",
        statements.join(",\n")
    )
}

fn statement(action: &str, resources: &[String], home: &Home) -> String {
    let arns: Vec<_> = resources.iter().map(|resource| home.arn(resource)).collect();
    format!(
        "    {{\n      \"Effect\": \"Allow\",\n      \"Action\": {action},\n      \
         \"Resource\": [\n        {}\n      ]\n    }}",
        arns.join(",\n        ")
    )
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::Value;

    use super::*;

    fn home() -> Home {
        Home::of("arn:aws:iot:eu-west-1:123456789012:thing/pump").unwrap()
    }

    #[test]
    fn a_device_may_use_its_own_topics_as_itself() {
        expect![[r#"
            {
              "Version": "2012-10-17",
              "Statement": [
                {
                  "Effect": "Allow",
                  "Action": "iot:Connect",
                  "Resource": [
                    "arn:aws:iot:eu-west-1:123456789012:client/pump",
                    "arn:aws:iot:eu-west-1:123456789012:client/pump-*"
                  ]
                },
                {
                  "Effect": "Allow",
                  "Action": ["iot:Publish", "iot:Receive"],
                  "Resource": [
                    "arn:aws:iot:eu-west-1:123456789012:topic/pump/*",
                    "arn:aws:iot:eu-west-1:123456789012:topic/$aws/things/pump/*"
                  ]
                },
                {
                  "Effect": "Allow",
                  "Action": "iot:Subscribe",
                  "Resource": [
                    "arn:aws:iot:eu-west-1:123456789012:topicfilter/pump/*",
                    "arn:aws:iot:eu-west-1:123456789012:topicfilter/$aws/things/pump/*"
                  ]
                }
              ]
            }
        "#]]
        .assert_eq(&document("pump", &home()));
    }

    #[test]
    fn the_longest_name_still_fits_what_a_policy_may_be() {
        let home = Home { region: "ap-southeast-2".into(), ..home() };
        let longest = "x".repeat(super::super::NAME_CHARS_MAX);
        let text = document(&longest, &home);
        assert!(serde_json::from_str::<Value>(&text).is_ok());
        assert!(text.chars().filter(|c| !c.is_whitespace()).count() <= 2048);
        assert!(name(&longest).len() <= 128);
    }

    #[test]
    fn a_colon_of_a_thing_is_none_of_its_policy() {
        assert_eq!(name("line:1"), "line_1-policy");
    }
}
