use keyward_crypto::ProvisioningUri;

fn printed(secret: &ProvisioningUri) -> String {
    format!("{secret}")
}

fn copied(secret: &ProvisioningUri) -> ProvisioningUri {
    Clone::clone(secret)
}

fn compared(one: &ProvisioningUri, other: &ProvisioningUri) -> bool {
    one == other
}

fn serialized(secret: &ProvisioningUri) -> String {
    serde_json::to_string(secret).unwrap()
}

fn main() {}
