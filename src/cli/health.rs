//! `riposte health`: asks a running daemon how it is.

use serde_json::json;

use super::args::{Global, HealthArgs};
use super::exit::{CliError, Exit};
use super::report::Report;
use super::setup;
use crate::runtime::probe::{Check, probe};

/// Asks; the answer is no where nothing answers.
pub(super) async fn health(args: &HealthArgs, global: &Global) -> Result<Report, CliError> {
    let address = match args.addr {
        Some(address) => address,
        None => setup::settings(global)?.listen.ok_or_else(|| {
            CliError::Usage("the settings say nowhere to listen: set http.listen, or name --addr ADDR".to_owned())
        })?,
    };
    let check = if args.live { Check::Live } else { Check::Ready };
    let report = match probe(address, check).await {
        Ok(body) => {
            let body = serde_json::from_str(&body).unwrap_or_else(|_| json!(body.trim()));
            let text = format!("{} at {address}", if args.live { "alive" } else { "ready" });
            Report::sentence(text, json!({"healthy": true, "address": address, "answer": body}))
        }
        Err(error) => {
            let answer = json!({"healthy": false, "address": address, "why": error.to_string()});
            Report { exit: Exit::No, ..Report::sentence(error.to_string(), answer) }
        }
    };
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_there_is_a_no_and_not_a_fault() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let args = HealthArgs { addr: Some(free), live: true };
        let report = health(&args, &Global::default()).await.unwrap();
        assert_eq!(report.exit, Exit::No);
        assert_eq!(report.json["healthy"], false);
    }
}
