//! The Microsoft clouds: their hosts, the scopes of their tokens, and what each of them can do.
//!
//! Hosts: "National cloud deployments" of Microsoft Graph, "Azure Government endpoints", "Azure China endpoints".
//! Features: the cloud tables of the Graph pages for `alerts_v2`, `runHuntingQuery` and `identityAccounts: invokeAction`.

use std::fmt;

use serde::Serialize;

/// A Microsoft cloud. Tokens of one are worth nothing in another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The worldwide cloud, GCC too.
    #[default]
    Global,
    /// US Government L4 (GCC High).
    UsGovL4,
    /// US Government L5 (DoD).
    UsGovL5,
    /// China, run by 21Vianet.
    China,
}

/// An API that is called with a token of the tenant, or that gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Api {
    /// The Entra authority.
    Login,
    /// Microsoft Graph.
    Graph,
    /// The Log Analytics query API.
    LogAnalytics,
    /// Azure Resource Manager, where Sentinel's incidents live.
    Arm,
}

/// What a cloud's Graph offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Features {
    /// `security/alerts_v2` and `security/incidents`.
    pub alerts_v2: bool,
    /// `security/runHuntingQuery`.
    pub hunting: bool,
    /// `security/identities/identityAccounts` with `invokeAction`.
    pub invoke_action: bool,
}

impl Cloud {
    /// The words of the settings and what they mean.
    pub const WORDS: [(&'static str, Self); 4] =
        [("global", Self::Global), ("us-gov-l4", Self::UsGovL4), ("us-gov-l5", Self::UsGovL5), ("china", Self::China)];

    /// The host that serves an API.
    #[must_use]
    pub const fn host(self, api: Api) -> &'static str {
        match (self, api) {
            (Self::Global, Api::Login) => "login.microsoftonline.com",
            (Self::UsGovL4 | Self::UsGovL5, Api::Login) => "login.microsoftonline.us",
            (Self::China, Api::Login) => "login.chinacloudapi.cn",
            (Self::Global, Api::Graph) => "graph.microsoft.com",
            (Self::UsGovL4, Api::Graph) => "graph.microsoft.us",
            (Self::UsGovL5, Api::Graph) => "dod-graph.microsoft.us",
            (Self::China, Api::Graph) => "microsoftgraph.chinacloudapi.cn",
            (Self::Global, Api::LogAnalytics) => "api.loganalytics.azure.com",
            (Self::UsGovL4 | Self::UsGovL5, Api::LogAnalytics) => "api.loganalytics.us",
            (Self::China, Api::LogAnalytics) => "api.loganalytics.azure.cn",
            (Self::Global, Api::Arm) => "management.azure.com",
            (Self::UsGovL4 | Self::UsGovL5, Api::Arm) => "management.usgovcloudapi.net",
            (Self::China, Api::Arm) => "management.chinacloudapi.cn",
        }
    }

    /// The scope of a token for an API, `https://HOST/.default`.
    #[must_use]
    pub fn scope(self, api: Api) -> String {
        format!("https://{}/.default", self.host(api))
    }

    /// The host of the Defender portal, where there is one.
    #[must_use]
    pub const fn portal(self) -> Option<&'static str> {
        match self {
            Self::Global => Some("security.microsoft.com"),
            Self::UsGovL4 | Self::UsGovL5 => Some("security.microsoft.us"),
            Self::China => None,
        }
    }

    /// What its Graph offers.
    #[must_use]
    pub const fn features(self) -> Features {
        match self {
            Self::Global => Features { alerts_v2: true, hunting: true, invoke_action: true },
            Self::UsGovL4 | Self::UsGovL5 => Features { alerts_v2: true, hunting: true, invoke_action: false },
            Self::China => Features { alerts_v2: false, hunting: false, invoke_action: false },
        }
    }

    /// Its word in the settings.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGovL4 => "us-gov-l4",
            Self::UsGovL5 => "us-gov-l5",
            Self::China => "china",
        }
    }
}

impl fmt::Display for Cloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APIS: [Api; 4] = [Api::Login, Api::Graph, Api::LogAnalytics, Api::Arm];

    #[test]
    fn the_words_of_the_table_are_the_words_of_the_clouds() {
        for (word, cloud) in Cloud::WORDS {
            assert_eq!(word, cloud.word());
        }
    }

    #[test]
    fn no_host_of_the_global_cloud_serves_another_one() {
        for api in APIS {
            for cloud in [Cloud::UsGovL4, Cloud::UsGovL5, Cloud::China] {
                assert_ne!(cloud.host(api), Cloud::Global.host(api));
            }
        }
    }

    #[test]
    fn dod_differs_from_gcc_high_in_graph_only() {
        for api in APIS {
            assert_eq!(Cloud::UsGovL4.host(api) == Cloud::UsGovL5.host(api), api != Api::Graph);
        }
        assert_eq!(Cloud::UsGovL5.scope(Api::Graph), "https://dod-graph.microsoft.us/.default");
    }

    #[test]
    fn actions_of_defender_are_global_and_china_has_no_defender_at_all() {
        let acting = Cloud::WORDS.map(|(_, cloud)| cloud.features().invoke_action);
        assert_eq!(acting, [true, false, false, false]);
        let china = Cloud::China.features();
        assert!(!china.alerts_v2 && !china.hunting && Cloud::China.portal().is_none());
    }
}
