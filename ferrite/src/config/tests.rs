//! Settings, by example.

use std::fs;

use ::mqtt::QoS;
use service::{Dialect, Profile, RefusalV311};

use super::*;

fn load(sources: Sources) -> Result<Config, String> {
    Config::load(sources).map_err(|error| format!("{error:#}"))
}

fn set(settings: &[&str]) -> Sources {
    Sources { set: settings.iter().map(|s| (*s).to_owned()).collect(), ..Sources::default() }
}

fn variables(pairs: &[(&str, &str)]) -> Sources {
    let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Sources { variables: pairs.collect(), ..Sources::default() }
}

#[test]
fn without_settings_the_defaults_hold() {
    let config = load(Sources::default()).unwrap();
    assert_eq!(config.account_id, AccountId::DEFAULT);
    assert_eq!(config.region.as_str(), "us-east-1");
    assert_eq!(config.listen.http.to_string(), "127.0.0.1:4566");
    assert_eq!(config.endpoint_domain, None);
    assert_eq!(config.key_file(), Path::new("data/secrets.key"));
    assert_eq!(config.log.format, LogFormat::Text);
}

#[test]
fn each_source_outranks_the_one_before() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ferrite.toml");
    let text = "region = \"eu-west-1\"\n[listen]\nhttp = \"127.0.0.1:1\"\n\
                [log]\nformat = \"json\"\n[store]\nurl = \"postgres://db\"\n";
    fs::write(&path, text).unwrap();
    let config = load(Sources {
        file: Some(path),
        variables: variables(&[
            ("FERRITE_LISTEN__HTTP", "127.0.0.1:2"),
            ("FERRITE_ACCOUNT_ID", "000000000012"),
            ("FERRITE_DATA_DIR", "from-environment"),
        ])
        .variables,
        set: vec!["listen.http=127.0.0.1:3".into(), "data_dir=from-set".into()],
        data_dir: Some("from-flag".into()),
        is_dev: false,
    });
    let config = config.unwrap();
    assert_eq!(config.region.as_str(), "eu-west-1");
    assert_eq!(config.log.format, LogFormat::Json);
    assert_eq!(config.store.url, "postgres://db");
    assert_eq!(config.listen.http.port(), 3);
    assert_eq!(config.account_id.as_str(), "000000000012");
    assert_eq!(config.data_dir, Path::new("from-flag"));
}

#[test]
fn an_unknown_setting_is_refused_with_its_nearest_neighbour() {
    for (wrong, right) in [
        ("listen.htp=127.0.0.1:1", "listen.http"),
        ("acount_id=000000000001", "account_id"),
        ("store=sqlite", "store.url"),
    ] {
        let error = load(set(&[wrong])).unwrap_err();
        assert!(error.contains(&format!("did you mean `{right}`?")), "{error}");
    }
    let error = load(variables(&[("FERRITE_LOG__LEVL", "info")])).unwrap_err();
    assert!(error.contains("FERRITE_LOG__LEVL") && error.contains("`log.level`"), "{error}");
}

#[test]
fn a_setting_of_a_file_that_is_unknown_names_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mine.toml");
    fs::write(&path, "[listen]\nmqqt = \"off\"\n").unwrap();
    let error = load(Sources { file: Some(path), ..Sources::default() }).unwrap_err();
    assert!(
        error.contains("mine.toml") && error.contains("did you mean `listen.mqtt`?"),
        "{error}"
    );
}

#[test]
fn a_wrong_value_names_its_setting() {
    for (setting, name) in [
        ("listen.http=hello", "listen.http"),
        ("listen.http=off", "listen.http"),
        ("listen.mqtts=8883", "listen.mqtts"),
        ("tls.names=my host", "tls.names"),
        ("listen.proxy_protocol=v1", "listen.proxy_protocol"),
        ("listen.proxy_from=10.0.0.0/40", "listen.proxy_from"),
        ("listen.proxy_doors=htps", "listen.proxy_doors"),
        ("tls.aws_names=yes", "tls.aws_names"),
        ("mqtt.workers=-1", "mqtt.workers"),
        ("mqtt.dialect=aw", "mqtt.dialect"),
        ("mqtt.max_qos=3", "mqtt.max_qos"),
        ("mqtt.refuse_v311=no", "mqtt.refuse_v311"),
        ("mqtt.reason_strings=1", "mqtt.reason_strings"),
        ("shadow.needs_thing=1", "shadow.needs_thing"),
        ("account_id=12", "account_id"),
        ("region=Moon", "region"),
        ("log.format=xml", "log.format"),
    ] {
        let error = load(set(&[setting])).unwrap_err();
        assert!(error.contains(&format!("`{name}`")), "{error}");
    }
    assert!(load(set(&["region"])).unwrap_err().contains("section.key=value"));
}

#[test]
fn variables_that_are_no_settings_are_left_alone() {
    let sources = variables(&[
        ("FERRITE_PORT_4566_TCP_ADDR", "10.0.0.1"),
        ("FERRITE_BIN", "target/debug/ferrite"),
        ("HOME", "/root"),
    ]);
    assert!(load(sources).is_ok());
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let sources = Sources { file: Some("/nonexistent.toml".into()), ..Sources::default() };
    assert!(load(sources).unwrap_err().contains("/nonexistent.toml"));
}

#[test]
fn every_door_but_plain_mqtt_is_open_on_loopback() {
    let listen = load(Sources::default()).unwrap().listen;
    assert_eq!(listen.https.unwrap().to_string(), "127.0.0.1:8443");
    assert_eq!(listen.mqtts.unwrap().to_string(), "127.0.0.1:8883");
    assert_eq!(listen.mqtt, None);
    let shut = load(set(&["listen.https=off", "listen.mqtts=off"])).unwrap().listen;
    assert_eq!((shut.https, shut.mqtts), (None, None));
}

#[test]
fn dev_opens_plain_mqtt_unless_it_is_set() {
    let dev = |settings| load(Sources { is_dev: true, ..set(settings) }).unwrap().listen.mqtt;
    assert_eq!(dev(&[]).unwrap().to_string(), "127.0.0.1:1883");
    assert_eq!(dev(&["listen.mqtt=127.0.0.1:2"]).unwrap().port(), 2);
    assert_eq!(dev(&["listen.mqtt=off"]), None);
}

#[test]
fn typed_settings_work_from_every_source() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ferrite.toml");
    let text = "[tls]\nnames = [\"iot.example\", \"10.0.0.1\"]\naws_names = true\n\
                [mqtt]\nworkers = 3\n[listen]\nmqtts = \"off\"\n";
    fs::write(&path, text).unwrap();
    let sources = [
        Sources { file: Some(path), ..Sources::default() },
        variables(&[
            ("FERRITE_TLS__NAMES", "iot.example, 10.0.0.1"),
            ("FERRITE_TLS__AWS_NAMES", "true"),
            ("FERRITE_MQTT__WORKERS", "3"),
            ("FERRITE_LISTEN__MQTTS", "off"),
        ]),
        set(&[
            "tls.names=iot.example,10.0.0.1,",
            "tls.aws_names=true",
            "mqtt.workers=3",
            "listen.mqtts=off",
        ]),
    ];
    for source in sources {
        let config = load(source).unwrap();
        assert_eq!(config.tls.names, ["iot.example", "10.0.0.1"]);
        assert!(config.tls.aws_names);
        assert_eq!((config.mqtt.workers, config.listen.mqtts), (3, None));
    }
    let config = load(Sources::default()).unwrap();
    assert_eq!((config.tls.names.len(), config.tls.aws_names), (0, false));
    assert_eq!(config.mqtt.workers, 0);
}

#[test]
fn an_own_certificate_comes_with_its_key() {
    let error = load(set(&["tls.certificate=a.pem"])).unwrap_err();
    assert!(error.contains("`tls.key`"), "{error}");
    let tls = load(set(&["tls.certificate=a.pem", "tls.key=k.pem"])).unwrap().tls;
    assert_eq!(tls.certificate.unwrap(), Path::new("a.pem"));
    assert_eq!(tls.key.unwrap(), Path::new("k.pem"));
}

#[test]
fn under_dev_every_door_stays_on_loopback() {
    for door in ["http", "https", "mqtts", "mqtt"] {
        let setting = format!("listen.{door}=0.0.0.0:1");
        let error = load(Sources { is_dev: true, ..set(&[&setting]) }).unwrap_err();
        assert!(
            error.contains("loopback") && error.contains(&format!("listen.{door} is")),
            "{error}"
        );
        assert!(load(set(&[&setting])).is_ok());
    }
}

#[test]
fn the_profile_of_limits_has_a_short_name_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        fs::write(&path, text).unwrap();
        Sources { file: Some(path), ..Sources::default() }
    };
    for source in [
        file("short", "limits = \"aws\"\n"),
        file("long", "[limits]\nprofile = \"aws\"\n"),
        variables(&[("FERRITE_LIMITS", "aws")]),
        variables(&[("FERRITE_LIMITS__PROFILE", "aws")]),
        set(&["limits=aws"]),
        set(&["limits.profile=aws"]),
    ] {
        assert_eq!(load(source).unwrap().limits, Limits::of(Profile::Aws));
    }
    let mut mixed = file("mixed", "limits = \"aws\"\n");
    mixed.set = vec!["limits.mqtt_inflight_max=7".into()];
    let expected = Limits { mqtt_inflight_max: 7, ..Limits::of(Profile::Aws) };
    assert_eq!(load(mixed).unwrap().limits, expected);
    for wrong in [set(&["limits=amazon"]), file("wrong", "limits = 7\n")] {
        let error = load(wrong).unwrap_err();
        assert!(error.contains("`limits.profile`") && error.contains("relaxed"), "{error}");
    }
}

#[test]
fn every_limit_is_a_setting_of_every_source() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ferrite.toml");
    fs::write(&path, "[limits]\ntags_max = 60\nmqtt_queue_drain_per_s = 0\n").unwrap();
    let mut sources = variables(&[("FERRITE_LIMITS__MQTT_INFLIGHT_MAX", "20")]);
    sources.file = Some(path);
    sources.set = vec!["limits.page_max=100".into(), "limits=aws".into()];
    let limits = load(sources).unwrap().limits;
    let expected = Limits {
        tags_max: 60,
        mqtt_queue_drain_per_s: 0,
        mqtt_inflight_max: 20,
        page_max: 100,
        ..Limits::of(Profile::Aws)
    };
    assert_eq!(limits, expected);
    for name in Limits::NAMES {
        let error = load(set(&[&format!("limits.{name}=x")])).unwrap_err();
        assert!(error.contains(&format!("`limits.{name}` is wrong")), "{error}");
    }
}

#[test]
fn a_wrong_limit_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    for (value, shown) in [("-1", "-1"), ("1.5", "1.5"), ("70_000", "70000"), ("\"a\"", "a")] {
        let path = directory.path().join("ferrite.toml");
        fs::write(&path, format!("[limits]\nmqtt_inflight_max = {value}\n")).unwrap();
        let error = load(Sources { file: Some(path), ..Sources::default() }).unwrap_err();
        let expected = format!("`{shown}` is not a whole number from 1 to 65535");
        assert!(
            error.contains("`limits.mqtt_inflight_max`") && error.contains(&expected),
            "{error}"
        );
    }
    let error = load(set(&["limits.mqtt_infligt_max=1"])).unwrap_err();
    assert!(error.contains("did you mean `limits.mqtt_inflight_max`?"), "{error}");
    let error = load(variables(&[("FERRITE_LIMIT", "aws")])).unwrap_err();
    assert!(error.contains("did you mean `limits`?"), "{error}");
    let error = load(set(&["limits.page_max=10"])).unwrap_err();
    assert!(error.contains("`page_default` is 25"), "{error}");
}

#[test]
fn the_guide_lists_every_limit_with_its_values() {
    let guide = include_str!("../../../docs/guide/limits.md");
    let shown = |profile| {
        let shown = format!("{:?}", Limits::of(profile));
        shown.replace(['{', '}'], ",").split(", ").map(str::to_owned).collect::<Vec<_>>()
    };
    let profiles = [Profile::Default, Profile::Aws, Profile::Relaxed].map(shown);
    for (index, name) in Limits::NAMES.iter().enumerate() {
        let [default, aws, relaxed] = profiles.each_ref().map(|fields| {
            let field = fields[index + 1].trim().trim_end_matches(" ,");
            field.split_once(": ").unwrap().1.to_owned()
        });
        let row = format!("| `{name}` | {default} | {aws} | {relaxed} |");
        assert!(guide.contains(&row), "docs/guide/limits.md lacks {row}");
    }
}

#[test]
fn the_dialect_decides_what_is_not_set() {
    let dialect = |settings: &[&str]| load(set(settings)).unwrap().mqtt.dialect();
    assert_eq!(dialect(&[]), Dialect::aws());
    assert_eq!(dialect(&["mqtt.dialect=standard"]), Dialect::standard());
    let mixed = dialect(&[
        "mqtt.dialect=standard",
        "mqtt.max_qos=0",
        "mqtt.refuse_v311=close",
        "mqtt.reason_strings=false",
        "mqtt.payload_format_checked=true",
    ]);
    let expected = Dialect {
        is_standard: true,
        qos_max: QoS::AtMostOnce,
        gives_reason_strings: false,
        refusal_v311: RefusalV311::Close,
        checks_payload_format: true,
    };
    assert_eq!(mixed, expected);
    assert_eq!(dialect(&["mqtt.max_qos=2"]).qos_max, QoS::ExactlyOnce);
    assert_eq!(dialect(&["mqtt.refuse_v311=answer"]).refusal_v311, RefusalV311::Answer);
}

#[test]
fn the_standard_dialect_relaxes_the_limits_that_nobody_sets() {
    let limits = |settings: &[&str]| load(set(settings)).unwrap().limits;
    let relaxed = Limits::of(Profile::Relaxed);
    assert_eq!(limits(&["mqtt.dialect=standard"]), relaxed);
    let one = limits(&["mqtt.dialect=standard", "limits.mqtt_topic_slashes_max=7"]);
    assert_eq!(one, Limits { mqtt_topic_slashes_max: 7, ..relaxed });
    let aws = limits(&["mqtt.dialect=standard", "limits=aws"]);
    assert_eq!(aws, Limits::of(Profile::Aws));
}

#[test]
fn the_highest_qos_is_a_number_or_text() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ferrite.toml");
    fs::write(&path, "[mqtt]\nmax_qos = 2\n").unwrap();
    let config = load(Sources { file: Some(path), ..Sources::default() }).unwrap();
    assert_eq!(config.mqtt.dialect().qos_max, QoS::ExactlyOnce);
}

#[test]
fn the_doors_behind_load_balancers_are_those_of_devices_unless_they_are_named() {
    let v2 = ["listen.proxy_protocol=v2", "listen.proxy_from=10.0.0.0/8, 192.0.2.1"];
    let behind = |more: &[&str]| {
        let listen = load(set(&[&v2, more].concat())).unwrap().listen;
        ["http", "https", "mqtts", "mqtt"].map(|door| listen.proxies(door).len())
    };
    assert_eq!(behind(&[]), [0, 2, 2, 2]);
    assert_eq!(behind(&["listen.proxy_doors=http,mqtts"]), [2, 0, 2, 0]);
    assert!(load(Sources::default()).unwrap().listen.proxies("mqtts").is_empty());
    for half in v2 {
        let error = load(set(&[half])).unwrap_err();
        assert!(error.contains("come together"), "{error}");
    }
}

#[test]
fn what_stands_for_a_service_has_settings_of_its_own() {
    let config = load(set(&[
        "targets.s3.backend=aws",
        "targets.s3.access_key_id=AKIA",
        "targets.s3.secret_access_key=1234",
        "targets.secretsmanager.secrets.mill.text=5678",
        "targets.secretsmanager.secrets.pin.file=/run/secrets/pin",
    ]))
    .unwrap();
    let targets = &config.places.targets;
    assert_eq!(targets.s3.credentials.access_key_id.as_deref(), Some("AKIA"));
    let key = targets.s3.credentials.secret_access_key.as_ref().unwrap();
    assert_eq!(key.expose(), "1234");
    let secrets = &targets.secretsmanager.secrets;
    assert_eq!(secrets["mill"].text.as_ref().unwrap().expose(), "5678");
    assert_eq!(secrets["pin"].file.as_deref(), Some(Path::new("/run/secrets/pin")));
    assert!(!format!("{config:?}").contains("5678"));
    for unknown in ["targets.s3.credentials.profile=a", "targets.s4.backend=aws"] {
        assert!(load(set(&[unknown])).unwrap_err().contains("unknown setting"), "{unknown}");
    }
}
