//! Local S3: a file for each object.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use ferrite_targets::{ObjectPage, PutObject, TargetError};

use crate::harness::{Bench, caller};

async fn put(
    bench: &Bench,
    bucket: &str,
    key: &str,
    body: &'static str,
) -> Result<(), TargetError> {
    let put = PutObject {
        bucket: bucket.into(),
        key: key.into(),
        body: Bytes::from_static(body.as_bytes()),
        ..PutObject::default()
    };
    bench.targets.s3().put_object(&caller(), put).await
}

async fn list(bench: &Bench, prefix: &str, after: Option<&str>, limit: usize) -> ObjectPage {
    bench.targets.s3().list_local("bucket", prefix, after, limit).await.unwrap()
}

fn keys(page: &ObjectPage) -> Vec<&str> {
    page.objects.iter().map(|object| object.key.as_str()).collect()
}

/// All files below a folder, from there.
fn files(root: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn an_object_is_a_file_that_a_person_finds() {
    let bench = Bench::start().await;
    put(&bench, "bucket", "devices/d1/2026.json", "{}").await.unwrap();
    put(&bench, "bucket", "devices/d1/2026.json", "[1]").await.unwrap();
    let file = bench.directory.path().join("s3/bucket/devices.d/d1.d/2026.json");
    assert_eq!(std::fs::read_to_string(file).unwrap(), "[1]");
    let read = bench.targets.s3().get_object(&caller(), "bucket", "devices/d1/2026.json").await;
    assert_eq!(read.unwrap(), Some(Bytes::from_static(b"[1]")));
    let absent = bench.targets.s3().get_object(&caller(), "bucket", "devices/d1").await;
    assert_eq!(absent.unwrap(), None);
    // Nothing else is left.
    assert_eq!(files(bench.directory.path()), [Path::new("s3/bucket/devices.d/d1.d/2026.json")]);
}

#[tokio::test]
async fn no_key_leaves_its_bucket_or_takes_the_place_of_another() {
    let bench = Bench::start().await;
    let long = "n".repeat(1024);
    let hostile = [
        "../../outside",
        "..",
        ".",
        "/",
        "//",
        "/etc/passwd",
        "a",
        "a/",
        "a/b",
        "a.d",
        "a.d/b",
        "a/.",
        "\0",
        "a\0",
        "%",
        "%00",
        "a%2Fb",
        ".incoming/1",
        "\\..\\x",
        "a\nb",
        "é",
        &long,
    ];
    for key in hostile {
        let body = Bytes::copy_from_slice(key.as_bytes());
        let put =
            PutObject { bucket: "bucket".into(), key: key.into(), body, ..PutObject::default() };
        bench.targets.s3().put_object(&caller(), put).await.unwrap();
    }
    for key in hostile {
        let read = bench.targets.s3().get_object(&caller(), "bucket", key).await.unwrap();
        assert_eq!(read.as_deref(), Some(key.as_bytes()), "{key:?}");
    }
    let mut listed = keys(&list(&bench, "", None, 100).await).join("|");
    listed.push('|');
    for key in hostile {
        assert!(listed.contains(&format!("{key}|")), "{key:?}");
    }
    let all = files(bench.directory.path());
    assert_eq!(all.len(), hostile.len());
    assert!(all.iter().all(|file| file.starts_with("s3/bucket")), "{all:?}");
}

#[tokio::test]
async fn a_list_goes_on_where_the_page_before_ended() {
    let bench = Bench::start().await;
    let all = ["a", "a/x", "a/y/1", "a/y/2", "b", "c/1", "c/2", "c/3"];
    for key in all {
        put(&bench, "bucket", key, "body").await.unwrap();
    }
    for limit in [1, 2, 3, 8, 9] {
        let (mut found, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = list(&bench, "", after.as_deref(), limit).await;
            assert!(page.objects.len() <= limit);
            found.extend(keys(&page).into_iter().map(str::to_owned));
            after = found.last().cloned();
            if !page.has_more {
                break;
            }
        }
        assert_eq!(found, all, "{limit}");
    }
    let page = list(&bench, "a/", None, 10).await;
    assert_eq!((keys(&page), page.objects[0].bytes), (vec!["a/x", "a/y/1", "a/y/2"], 4));
    assert_eq!(keys(&list(&bench, "a/y/", Some("a/y/1"), 10).await), ["a/y/2"]);
    assert_eq!(keys(&list(&bench, "a/y", None, 1).await), ["a/y/1"]);
    assert_eq!(keys(&list(&bench, "c/", Some("a/x"), 10).await), ["c/1", "c/2", "c/3"]);
    assert_eq!(keys(&list(&bench, "a/", Some("c/1"), 10).await), [""; 0]);
    assert_eq!(keys(&list(&bench, "z", None, 10).await), [""; 0]);
    assert_eq!(keys(&list(&bench, "z/y/", None, 10).await), [""; 0]);
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_in_the_words_of_s3() {
    let bench = Bench::start().await;
    for bucket in ["..", "a", "Bucket", "a/b", ".incoming", "", "a..b", "-ab"] {
        let error = put(&bench, bucket, "k", "").await.unwrap_err();
        assert_eq!((error.code.as_str(), error.is_transient), ("InvalidBucketName", false));
    }
    let error = put(&bench, "bucket", &"n".repeat(1025), "").await.unwrap_err();
    assert_eq!(error.code, "KeyTooLongError");
    assert_eq!(put(&bench, "bucket", "", "").await.unwrap_err().code, "InvalidRequest");
    // A path that is longer than the file system takes.
    let error = put(&bench, "bucket", &"/".repeat(1024), "").await.unwrap_err();
    assert_eq!((error.code.as_str(), error.is_transient), ("KeyTooLongError", false));
}

#[tokio::test]
async fn there_are_as_many_buckets_as_the_settings_allow() {
    let settings = r#"{"local":{"buckets_max":2}}"#;
    let bench = Bench::with(settings).await;
    put(&bench, "one", "k", "").await.unwrap();
    put(&bench, "two", "k", "").await.unwrap();
    let error = put(&bench, "three", "k", "").await.unwrap_err();
    assert_eq!((error.code.as_str(), error.is_transient), ("TooManyBuckets", false));
    let bench = bench.restart(settings).await;
    put(&bench, "two", "l", "").await.unwrap();
    assert_eq!(put(&bench, "three", "k", "").await.unwrap_err().code, "TooManyBuckets");
    assert_eq!(bench.targets.s3().local_buckets().await.unwrap(), ["one", "two"]);
}

#[tokio::test]
async fn many_at_once_are_all_there_also_where_nothing_is_synced() {
    for settings in ["{}", r#"{"local":{"objects_synced":false}}"#] {
        let bench = Bench::with(settings).await;
        let puts = (0..300).map(|n| {
            let targets = bench.targets.clone();
            async move {
                let key = format!("f{}/{n}", n % 7);
                let put = PutObject {
                    bucket: "bucket".into(),
                    key,
                    body: n.to_string().into(),
                    ..PutObject::default()
                };
                targets.s3().put_object(&caller(), put).await
            }
        });
        let mut all = tokio::task::JoinSet::new();
        puts.for_each(|put| drop(all.spawn(put)));
        assert!(all.join_all().await.into_iter().all(|put| put.is_ok()));
        assert_eq!(list(&bench, "", None, 1000).await.objects.len(), 300);
    }
}

#[tokio::test]
async fn what_a_crash_left_half_written_is_removed() {
    let bench = Bench::start().await;
    put(&bench, "bucket", "k", "whole").await.unwrap();
    let incoming = bench.directory.path().join("s3/.incoming");
    std::fs::write(incoming.join("17"), "ha").unwrap();
    let bench = bench.restart("{}").await;
    put(&bench, "bucket", "l", "whole").await.unwrap();
    assert_eq!(files(bench.directory.path()), [Path::new("s3/bucket/k"), Path::new("s3/bucket/l")]);
}

#[tokio::test]
async fn a_folder_that_somebody_removed_is_made_again() {
    let bench = Bench::start().await;
    put(&bench, "bucket", "a/b", "1").await.unwrap();
    std::fs::remove_dir_all(bench.directory.path().join("s3")).unwrap();
    put(&bench, "bucket", "a/b", "2").await.unwrap();
    assert_eq!(keys(&list(&bench, "", None, 10).await), ["a/b"]);
}
