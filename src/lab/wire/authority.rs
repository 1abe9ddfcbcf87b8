//! Entra's token endpoint, and the two managed-identity endpoints.

use std::time::Duration;

use serde_json::json;

use std::collections::BTreeSet;

use crate::lab::apps;
use crate::lab::http::{Answer, Req};
use crate::lab::ids;
use crate::lab::tenant::PERMISSIONS;
use crate::lab::tokens::{Audience, Holder, Minted};
use crate::lab::world::World;

/// How long a token is good, as Entra says for applications.
const LIFE: Duration = Duration::from_secs(3_599);

/// Answers a request under `/{tenant}/`.
pub(crate) fn answer(world: &mut World, req: &Req) -> Answer {
    let (method, path) = req.route();
    match (method, path.as_slice()) {
        ("GET", [_, "v2.0", ".well-known", "openid-configuration"] | [_, ".well-known", "openid-configuration"]) => {
            discovery(world)
        }
        ("GET", ["common", "discovery", "instance"]) => Answer::ok(json!({
            "tenant_discovery_endpoint": format!("{}/{}/v2.0/.well-known/openid-configuration", world.base_url, ids::tenant()),
            "api-version": "1.1", "metadata": [],
        })),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => client_credentials(world, req, tenant),
        _ => refused(404, "invalid_request", 900_144, "AADSTS900144: there is no such endpoint on this authority."),
    }
}

/// `GET /metadata/identity/oauth2/token` of a virtual machine.
pub(crate) fn imds(world: &mut World, req: &Req) -> Answer {
    if req.header("metadata") != Some("true") {
        return Answer::json(
            400,
            json!({"error": "invalid_request", "error_description": "Required metadata header not specified"}),
        );
    }
    managed(world, req)
}

/// `GET /msi/token` of App Service.
pub(crate) fn app_service(world: &mut World, req: &Req) -> Answer {
    if req.header("x-identity-header") != Some(ids::IDENTITY_HEADER) {
        return Answer::json(401, json!({"statusCode": 401, "message": "Unauthorized"}));
    }
    managed(world, req)
}

fn discovery(world: &World) -> Answer {
    let (base, tenant) = (&world.base_url, ids::tenant());
    Answer::ok(json!({
        "issuer": format!("{base}/{tenant}/v2.0"), "token_endpoint": format!("{base}/{tenant}/oauth2/v2.0/token"),
        "authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{base}/{tenant}/oauth2/v2.0/devicecode"),
        "jwks_uri": format!("{base}/{tenant}/discovery/v2.0/keys"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        "response_types_supported": ["code"], "scopes_supported": ["openid"], "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
    }))
}

fn client_credentials(world: &mut World, req: &Req, tenant: &str) -> Answer {
    if let Some(refused) = stranger(world, req, tenant) {
        return refused;
    }
    let scope = req.form("scope").unwrap_or_default();
    let Some(resource) = scope.split(' ').find_map(|s| s.strip_suffix("/.default")) else {
        let why = "AADSTS70011: The provided value for the input parameter 'scope' is not valid.";
        return refused(400, "invalid_scope", 70_011, why);
    };
    let Some(minted) = mint(world, req, resource) else {
        let why = "AADSTS500011: The resource principal was not found in the tenant.";
        return refused(400, "invalid_resource", 500_011, why);
    };
    Answer::ok(json!({
        "token_type": "Bearer", "expires_in": minted.expires_in, "ext_expires_in": minted.expires_in,
        "access_token": minted.token,
    }))
}

/// Why the one who asks for a token is not riposte.
fn stranger(world: &World, req: &Req, tenant: &str) -> Option<Answer> {
    let field = |name: &str| req.form(name).unwrap_or_default();
    let (status, error, code, why) =
        if !req.header("content-type").is_some_and(|t| t.starts_with("application/x-www-form-urlencoded")) {
            (400, "invalid_request", 900_144, "AADSTS900144: The request body must be a form.")
        } else if tenant != ids::tenant() && tenant != ids::DNS {
            (400, "invalid_request", 90_002, "AADSTS90002: Tenant not found.")
        } else if field("grant_type") != "client_credentials" {
            (400, "unsupported_grant_type", 70_003, "AADSTS70003: The app requested an unsupported grant type.")
        } else {
            let (error, code, why) = apps::stranger(world, req)?;
            (401, error, code, why)
        };
    Some(refused(status, error, code, why))
}

fn managed(world: &mut World, req: &Req) -> Answer {
    let minted = req.param("resource").and_then(|resource| mint(world, req, resource));
    match minted {
        Some(minted) => Answer::ok(json!({
            "access_token": minted.token, "expires_on": minted.expires_on.to_string(),
            "expires_in": minted.expires_in.to_string(), "resource": req.param("resource"), "token_type": "Bearer",
            "client_id": ids::client(),
        })),
        None => Answer::json(
            400,
            json!({"error": "invalid_resource", "error_description": "AADSTS500011: The resource was not found."}),
        ),
    }
}

/// A token for the application that asks; a managed identity is riposte's own.
fn mint(world: &mut World, req: &Req, resource: &str) -> Option<Minted> {
    let audience = Audience::of(resource)?;
    let is_actor = req.form("client_id").is_some_and(|id| id == ids::actor());
    let tenant = ids::tenant();
    let (app_id, object_id) =
        if is_actor { (ids::actor(), ids::actor_principal()) } else { (ids::client(), ids::principal()) };
    let all: BTreeSet<String> = PERMISSIONS.iter().map(|name| (*name).to_owned()).collect();
    let roles = if is_actor { &all } else { &world.tenant.permissions };
    let holder = Holder { tenant: &tenant, app_id: &app_id, object_id: &object_id, roles };
    let life = world.tenant.app.token_lifetime.unwrap_or(LIFE);
    Some(world.tokens.mint(&holder, audience, resource, life))
}

fn refused(status: u16, error: &str, code: u32, description: &str) -> Answer {
    Answer::json(
        status,
        json!({"error": error, "error_description": description, "error_codes": [code],
            "correlation_id": ids::guid("correlation", description), "trace_id": ids::guid("trace", description)}),
    )
}
