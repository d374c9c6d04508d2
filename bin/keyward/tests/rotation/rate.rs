use std::time::Instant;

use keyward_crypto::FieldKey;

use crate::node::Node;
use crate::rows::Rows;
use crate::running::Home;
use crate::setting;

/// Moves values as fast as it goes, and says how fast that was.
pub(crate) fn measured(database: &str, home: Home) {
    let number = setting("KEYWARD_ROTATION_ROWS").unwrap_or(1_000);
    let (old, new) = (FieldKey::generate(), FieldKey::generate());
    let key = |key: &FieldKey| key.expose().expose().to_owned();
    let mut node = Node::start(home, &[key(&old)], None);
    let client = node.place.now().client;
    let me = client.get("/api/v1/auth/me").expect(200);
    let owner = me["id"].as_str().unwrap();
    let rows = Rows::add(&node.home, owner, usize::try_from(number).unwrap());
    node.stop();
    node.has_keys(&[key(&new), key(&old)]);
    let activated = node.home.run(&["keys", "activate", new.id().as_str()]);
    assert_eq!(activated.code, 0, "{activated:?}");

    let begun = Instant::now();
    let rotate = ["keys", "rotate", "--rate", "0", "--json"];
    let rotated = node.home.command(&rotate).output().unwrap();
    let took = begun.elapsed();

    assert!(rotated.status.success(), "{rotated:?}");
    // The rows, and the check of SECRET_KEY.
    let done: serde_json::Value = serde_json::from_slice(&rotated.stdout).unwrap();
    assert_eq!(
        (&done["state"], &done["done"]),
        (&"done".into(), &(number + 1).into())
    );
    let counted = Instant::now();
    let status = node.home.run(&["keys", "status"]);
    assert_eq!(status.code, 0, "{status:?}");
    eprintln!(
        "figure: {database}: {number} values re-encrypted in {took:?}, {:.0} a second; counted in {:?}",
        f64::from(u32::try_from(number).unwrap()) / took.as_secs_f64(),
        counted.elapsed()
    );
    let retired = node.home.run(&["keys", "retire", old.id().as_str()]);
    assert_eq!(retired.code, 0, "{retired:?}");
    node.has_keys(&[key(&new)]);
    if number <= 10_000 {
        assert_eq!(rows.wrong(&node.home), [""; 0]);
    }
}
