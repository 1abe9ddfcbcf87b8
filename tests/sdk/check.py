"""The vendors' own SDKs against `riposte lab`: what they can read, change and are refused there.

    python tests/sdk/check.py target/debug/riposte

Starts a lab on loopback, uses it through each SDK, and stops it. Ends with 0 when all checks hold. The lab is
written from the vendors' pages; this holds it to the vendors' code.
"""

import asyncio
import contextlib
import datetime
import os
import pathlib
import select
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
import uuid

STARTS_WITHIN = 30.0
CHECKS = []


def check(function):
    """Registers a check; its name is its claim."""
    CHECKS.append(function)
    return function


class Lab:
    """A lab in a process of its own, and what its ready settings say about it."""

    def __init__(self, program, folder):
        self.config = folder / "riposte.toml"
        self.ca = str(folder / "lab-ca.pem")
        self.process = subprocess.Popen([program, "lab", "--config-out", self.config], stdout=subprocess.PIPE)
        # Its address is its first word, and comes when its files are written.
        ready, _, _ = select.select([self.process.stdout], [], [], STARTS_WITHIN)
        if not ready or not self.process.stdout.readline():
            self.process.kill()
            raise RuntimeError("the lab did not start")
        settings = tomllib.loads(self.config.read_text())
        self.tenant = settings["tenant"]["id"]
        self.client_id = settings["identity"]["client_id"]
        self.secret = settings["identity"]["client_secret"]
        self.base = settings["endpoints"]["login"]
        self.workspace = settings["workspaces"][0]
        self.okta_token = settings["okta"][0]["token"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=20)

    def credential(self, secret=None):
        from azure.identity import ClientSecretCredential

        return ClientSecretCredential(
            self.tenant, self.client_id, secret or self.secret, authority=self.base, disable_instance_discovery=True
        )


def refused(call, *statuses):
    """The error of a call that must be refused with one of these statuses."""
    try:
        call()
    except Exception as error:  # each SDK has its own class
        status = getattr(error, "status_code", None) or getattr(error, "response_status_code", None)
        assert status in statuses, f"refused with {status}: {error}"
        return error
    raise AssertionError("it was not refused")


@check
def azure_identity_signs_in_by_secret_and_is_told_when_it_is_wrong(lab):
    from azure.core.exceptions import ClientAuthenticationError

    token = lab.credential().get_token("https://graph.microsoft.com/.default")
    assert token.token.count(".") == 2 and token.expires_on > time.time() + 3_000
    try:
        lab.credential("wrong").get_token("https://graph.microsoft.com/.default")
    except ClientAuthenticationError as error:
        assert "AADSTS7000215" in str(error), error
    else:
        raise AssertionError("a wrong secret was accepted")


@check
def azure_identity_signs_in_as_a_managed_identity_of_app_service(lab):
    from azure.identity import ManagedIdentityCredential

    # The header is one of the lab's planted secrets; it stands in no settings.
    header = "lab-identity-header-Mn5Bv8"
    with variables(IDENTITY_ENDPOINT=f"{lab.base}/msi/token", IDENTITY_HEADER=header):
        token = ManagedIdentityCredential().get_token("https://management.azure.com/.default")
    assert token.token and token.expires_on > time.time()


@check
def azure_identity_signs_in_as_a_kubernetes_workload(lab):
    from azure.identity import WorkloadIdentityCredential

    with tempfile.NamedTemporaryFile("w", suffix=".jwt") as file:
        file.write("e30.e30.x")
        file.flush()
        credential = WorkloadIdentityCredential(
            tenant_id=lab.tenant,
            client_id=lab.client_id,
            token_file_path=file.name,
            authority=lab.base,
            disable_instance_discovery=True,
        )
        assert credential.get_token("https://graph.microsoft.com/.default").token


@check
def monitor_query_reads_alerts_with_typed_columns_and_explains_a_syntax_error(lab):
    from azure.monitor.query import LogsQueryClient, LogsQueryStatus

    client = LogsQueryClient(lab.credential(), endpoint=f"{lab.base}/v1")
    span = datetime.timedelta(days=1)
    result = client.query_workspace(lab.workspace["id"], "SecurityAlert | project TimeGenerated, SystemAlertId, Entities", timespan=span)
    assert result.status == LogsQueryStatus.SUCCESS and result.tables[0].name == "PrimaryResult"
    rows = result.tables[0].rows
    assert len(rows) > 5 and isinstance(rows[0]["TimeGenerated"], datetime.datetime), rows[:1]
    count = client.query_workspace(lab.workspace["id"], "SecurityAlert | count", timespan=span)
    assert isinstance(count.tables[0].rows[0][0], int)
    error = refused(lambda: client.query_workspace(lab.workspace["id"], "SecurityAlert | where (", timespan=span), 400)
    assert "SyntaxError" in str(error) or "syntax" in str(error).lower(), error


@check
def securityinsight_reads_incidents_and_their_alerts_and_writes_a_comment_once(lab):
    from azure.core.exceptions import HttpResponseError
    from azure.mgmt.securityinsight import SecurityInsightsMgmtClient
    from azure.mgmt.securityinsight.models import IncidentComment

    client = SecurityInsightsMgmtClient(
        lab.credential(),
        lab.workspace["subscription"],
        base_url=lab.base,
        credential_scopes=["https://management.azure.com/.default"],
    )
    place = (lab.workspace["resource_group"], lab.workspace["workspace"])
    incidents = list(client.incidents.list(*place))
    assert len(incidents) > 5
    one = incidents[0]
    assert one.name and one.etag and one.properties.title and one.properties.incident_number
    alerts = client.incidents.list_alerts(*place, one.name)
    assert alerts.value and alerts.value[0].kind == "SecurityAlert"
    entities = client.incidents.list_entities(*place, one.name)
    assert entities.entities and entities.entities[0].kind
    comment, text = str(uuid.uuid4()), {"properties": {"message": "seen by the vendor's SDK"}}
    for _ in range(2):
        made = client.incident_comments.create_or_update(*place, one.name, comment, text)
        assert made.properties.message == text["properties"]["message"]
    stands = [c for c in client.incident_comments.list(*place, one.name) if c.name == comment]
    assert len(stands) == 1 and isinstance(stands[0], IncidentComment)
    stale = client.incidents.get(*place, one.name)
    stale.etag = '"stale"'
    try:
        client.incidents.create_or_update(*place, one.name, stale)
    except HttpResponseError as error:
        assert error.status_code in (409, 412), error
    else:
        raise AssertionError("a stale etag was accepted")


@check
def msgraph_reads_alerts_people_and_roles_and_changes_them(lab):
    asyncio.run(graph(lab))


async def graph(lab):
    import httpx
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient
    from msgraph.generated.models.o_data_errors.o_data_error import ODataError
    from msgraph.generated.models.user import User
    from msgraph.generated.security.microsoft_graph_security_run_hunting_query.run_hunting_query_post_request_body import (
        RunHuntingQueryPostRequestBody,
    )
    from msgraph.generated.users.users_request_builder import UsersRequestBuilder

    host = lab.base.removeprefix("https://").split(":")[0]
    auth = AzureIdentityAuthenticationProvider(
        lab.credential(), scopes=["https://graph.microsoft.com/.default"], allowed_hosts=[host, lab.base.removeprefix("https://")]
    )
    adapter = GraphRequestAdapter(auth, client=httpx.AsyncClient(verify=lab.ca, base_url=f"{lab.base}/v1.0"))
    adapter.base_url = f"{lab.base}/v1.0"
    client = GraphServiceClient(request_adapter=adapter)

    alerts = await client.security.alerts_v2.get()
    assert alerts.value and alerts.value[0].evidence, "alerts with evidence"
    assert all(alert.severity is not None and alert.service_source is not None for alert in alerts.value), "known words"
    assert any(type(item).__name__ == "UserEvidence" for alert in alerts.value for item in alert.evidence)

    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(
        filter="userPrincipalName eq 'adele@contoso.com'", select=["id", "accountEnabled", "onPremisesSecurityIdentifier"]
    )
    users = await client.users.get(request_configuration=RequestConfiguration(query_parameters=query))
    adele = users.value[0]
    assert adele.account_enabled and adele.on_premises_security_identifier.startswith("S-1-5-21-")
    groups = await client.users.by_user_id(adele.id).transitive_member_of.get()
    assert any(type(group).__name__ == "Group" for group in groups.value)
    assert (await client.users.by_user_id(adele.id).revoke_sign_in_sessions.post()).value is True
    await client.users.by_user_id(adele.id).patch(User(account_enabled=False))
    query = UsersRequestBuilder.UsersRequestBuilderGetQueryParameters(select=["id", "accountEnabled"])
    config = RequestConfiguration(query_parameters=query)
    assert (await client.users.by_user_id(adele.id).get(request_configuration=config)).account_enabled is False
    roles = await client.role_management.directory.role_assignments.get()
    assert roles.value and roles.value[0].role_definition_id

    hunting = await client.security.microsoft_graph_security_run_hunting_query.post(
        RunHuntingQueryPostRequestBody(query="IdentityDirectoryEvents | take 1", timespan="P1D")
    )
    assert hunting.schema is not None and hunting.results is not None

    await identities(client)
    try:
        await client.users.by_user_id("nobody@contoso.com").get()
    except ODataError as error:
        assert error.response_status_code == 404 and error.error.code == "Request_ResourceNotFound", error
    else:
        raise AssertionError("a user who is not there was found")


async def identities(client):
    from msgraph.generated.models.security.action import Action
    from msgraph.generated.models.security.identity_provider import IdentityProvider
    from msgraph.generated.security.identities.identity_accounts.item.microsoft_graph_security_invoke_action.invoke_action_post_request_body import (
        InvokeActionPostRequestBody,
    )

    accounts = await client.security.identities.identity_accounts.get()
    found = [
        (identity, account)
        for identity in accounts.value
        for account in identity.accounts
        if account.identity_provider == IdentityProvider.ActiveDirectory
    ]
    assert found, "an account in Active Directory"
    identity, account = found[0]
    action = InvokeActionPostRequestBody(
        account_id=account.identifier, action=Action.Disable, identity_provider=IdentityProvider.ActiveDirectory
    )
    one = client.security.identities.identity_accounts.by_identity_accounts_id(identity.id)
    answer = await one.microsoft_graph_security_invoke_action.post(action)
    assert answer.correlation_id and answer.identity_provider == IdentityProvider.ActiveDirectory, answer


@check
def okta_finds_suspends_and_unsuspends_a_user_and_is_told_when_it_cannot(lab):
    asyncio.run(okta(lab))


async def okta(lab):
    from okta.client import Client

    client = Client({"orgUrl": lab.base, "token": lab.okta_token, "raiseException": False})
    users, _, error = await client.list_users(search='profile.login eq "adele@contoso.com"')
    assert error is None and len(users) == 1, error
    user = users[0].id
    for act, status in [(client.suspend_user, "SUSPENDED"), (client.unsuspend_user, "ACTIVE")]:
        *_, error = await act(user)
        assert error is None, error
        found, _, error = await client.get_user(user)
        assert error is None and str(getattr(found.status, "value", found.status)) == status, (found, error)
    *_, error = await client.unsuspend_user(user)
    assert error is not None and "E0000001" in str(error), error
    groups, _, error = await client.list_user_groups(user)
    assert error is None and groups, error
    events, _, error = await client.list_log_events(filter='eventType eq "user.lifecycle.suspend"')
    assert error is None and events, error


@contextlib.contextmanager
def variables(**wanted):
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check.py PROGRAM")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab(sys.argv[1], pathlib.Path(folder))
        os.environ.update(REQUESTS_CA_BUNDLE=lab.ca, SSL_CERT_FILE=lab.ca)
        try:
            for function in CHECKS:
                name = function.__name__.replace("_", " ")
                try:
                    function(lab)
                    print(f"ok    {name}", flush=True)
                except Exception:  # the next check still says something
                    failed += 1
                    print(f"FAIL  {name}\n{traceback.format_exc()}", flush=True)
        finally:
            lab.stop()
    print(f"{len(CHECKS) - failed} of {len(CHECKS)} checks hold")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
