"""Unchanged azure-ai-ml against a running server: data, models, code, environments, components, datastores."""

import json
import os
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.cookiejar import CookieJar
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, HTTPSHandler, OpenerDirector, Request, build_opener

import pytest

from tests.support.server import Server

READER_ROLE = "acdd72a7-3385-48ef-bd42-f606fba81ae7"
SIGN_IN = re.compile(r"/signin\?code=(\S+)")
API = "api-version=2024-10-01-preview"

MLClient = Any
Guest = Callable[[str | None], MLClient]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of this module's own, whose one-time sign-in link nobody else spends; clients find it in the environment."""
    server = Server(tmp_path_factory.mktemp("assets") / "home")
    before = dict(os.environ)
    try:
        server.start()
        os.environ.update(server.env)
        os.environ.pop("AZUREML_CURRENT_CLOUD", None)
        yield server
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.end()


@pytest.fixture(scope="module")
def project(studio: Server) -> str:
    """The name of a project of these tests' own, made by the client."""
    from azure.ai.ml.entities import Project

    hub = _client(studio, studio.env["AZUREML_HUB"]).workspaces.get(studio.env["AZUREML_HUB"])
    name = f"assets-{uuid.uuid4().hex[:8]}"
    _client(studio, studio.env["AZUREML_HUB"]).workspaces.begin_create(Project(name=name, location="local", hub_id=hub.id)).result()
    return name


@pytest.fixture(scope="module")
def ml(studio: Server, project: str) -> MLClient:
    """The owner's client."""
    return _client(studio, project)


@pytest.fixture(scope="module")
def guest(studio: Server, project: str, ml: MLClient) -> Guest:
    """Make a service principal with this role at the project, or none, and give its client."""
    owner = _Owner(studio)
    workspace = ml.workspaces.get(project).id

    def make(role: str | None) -> MLClient:
        from azure.identity import ClientSecretCredential

        application, principal = str(uuid.uuid4()), str(uuid.uuid4())
        named = {"displayName": "guest"}
        owner.send("PUT", f"/providers/Studiolo.Directory/applications/{application}", {"properties": named})
        minted = owner.send("POST", f"/providers/Studiolo.Directory/applications/{application}/addPassword", {})
        acting = {"properties": {**named, "appId": application}}
        owner.send("PUT", f"/providers/Studiolo.Directory/servicePrincipals/{principal}", acting)
        if role is not None:
            definition = f"/providers/Microsoft.Authorization/roleDefinitions/{role}"
            granted = {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}
            owner.send("PUT", f"{workspace}/providers/Microsoft.Authorization/roleAssignments/{uuid.uuid4()}", {"properties": granted})
        return _client(studio, project, ClientSecretCredential("adfs", application, minted["secretText"], authority=studio.url))

    return make


class _Owner:
    """The owner, signed in with the link that the server printed, as a browser would be."""

    def __init__(self, studio: Server) -> None:
        self._url = studio.url
        self._opener: OpenerDirector = build_opener(HTTPSHandler(context=studio.tls), HTTPCookieProcessor(CookieJar()))
        code = studio.wait_for(SIGN_IN).group(1)
        with suppress(HTTPError):  # whatever page the redirect ends on
            self._opener.open(self._request("POST", "/signin", urlencode({"code": code}).encode()), timeout=60).close()

    def send(self, method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = self._request(method, f"{path}?{API}", json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        with self._opener.open(request, timeout=60) as answer:
            return json.loads(answer.read() or b"{}")

    def _request(self, method: str, path: str, body: bytes) -> Request:
        return Request(self._url + path, method=method, data=body, headers={"origin": self._url})


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with a table, a folder of tables, a model and a script with a module."""
    texts = {
        "one.csv": "a,b\n1,2\n",
        "tickets/a.csv": "a\n",
        "tickets/deep/b.csv": "b\n",
        "model.pkl": "weights",
        "mlflow/MLmodel": "flavors: {}\n",
        "src/main.py": "print('hello')\n",
        "src/lib/words.py": "WORDS = 1\n",
        "context/Dockerfile": "FROM python:3.11\n",
    }
    for name, text in texts.items():
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + uuid.uuid4().hex)  # its own content: the client skips what is there already
    return tmp_path / "files"


def _client(studio: Server, workspace: str, credential: Any = None) -> MLClient:
    from azure.ai.ml import MLClient as Client
    from azure.identity import DefaultAzureCredential

    env = studio.env
    return Client(credential or DefaultAzureCredential(), env["AZURE_SUBSCRIPTION_ID"], env["AZURE_RESOURCE_GROUP"], workspace)


def _tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _name(word: str) -> str:
    return f"{word}_{uuid.uuid4().hex[:8]}"


# ── data ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_folder_of_data_goes_up_and_comes_back(ml: MLClient, files: Path, tmp_path: Path) -> None:
    from azure.ai.ml._artifacts._artifact_utilities import download_artifact_from_aml_uri
    from azure.ai.ml.entities import Data

    name = _name("tickets")
    made = ml.data.create_or_update(Data(name=name, version="1", type="uri_folder", path=str(files / "tickets"), tags={"team": "claims"}))
    kept = ml.data.get(name, "1")
    assert kept.path == made.path
    assert kept.path.startswith("azureml://subscriptions/")
    assert kept.path.endswith("/tickets/")
    assert kept.tags == {"team": "claims"}
    assert kept.creation_context.created_at is not None
    download_artifact_from_aml_uri(kept.path, str(tmp_path / "back"), ml.datastores)
    assert _tree(tmp_path / "back") == ["a.csv", "deep/b.csv"]
    assert (tmp_path / "back/a.csv").read_text() == (files / "tickets/a.csv").read_text()


def test_a_file_and_an_address_are_data_too(ml: MLClient, files: Path) -> None:
    from azure.ai.ml.entities import Data

    file = ml.data.create_or_update(Data(name=_name("one"), version="4", type="uri_file", path=str(files / "one.csv")))
    address = ml.data.create_or_update(Data(name=_name("far"), version="foo", type="uri_file", path="https://example.com/x.csv"))
    assert file.path.endswith("/one.csv")
    assert (address.path, address.version) == ("https://example.com/x.csv", "foo")


def test_versions_count_up_and_the_latest_is_found(ml: MLClient, files: Path) -> None:
    from azure.ai.ml.entities import Data

    name = _name("counted")
    versions = [ml.data.create_or_update(Data(name=name, type="uri_folder", path=str(files / "tickets"))).version for _ in range(3)]
    ml.data.create_or_update(Data(name=name, version="named", type="uri_folder", path=str(files / "tickets")))
    assert versions == ["1", "2", "3"]
    assert ml.data.get(name, label="latest").version == "named"
    assert [asset.latest_version for asset in ml.data.list() if asset.name == name] == ["named"]


def test_content_and_type_of_data_are_fixed_and_its_tags_are_not(ml: MLClient, files: Path) -> None:
    from azure.ai.ml.entities import Data
    from azure.core.exceptions import ResourceExistsError

    name = _name("fixed")
    ml.data.create_or_update(Data(name=name, version="1", type="uri_file", path=str(files / "one.csv")))
    again = ml.data.create_or_update(Data(name=name, version="1", type="uri_file", path=str(files / "one.csv"), tags={"a": "b"}))
    assert again.tags == {"a": "b"}
    with pytest.raises(ResourceExistsError, match="fixed"):
        ml.data.create_or_update(Data(name=name, version="1", type="uri_file", path="https://example.com/other.csv"))
    with pytest.raises(ResourceExistsError, match="DataTypeMismatch"):
        ml.data.create_or_update(Data(name=name, version="2", type="uri_folder", path=str(files / "tickets")))
    assert [asset.version for asset in ml.data.list(name)] == ["1"]


def test_what_is_archived_is_hidden_until_it_is_restored(ml: MLClient, files: Path) -> None:
    from azure.ai.ml.entities import Data

    name = _name("old")
    for version in ("1", "2"):
        ml.data.create_or_update(Data(name=name, version=version, type="uri_file", path=str(files / "one.csv")))
    ml.data.archive(name, version="1")
    assert [asset.version for asset in ml.data.list(name)] == ["2"]
    assert [asset.version for asset in ml.data.list(name, list_view_type="ArchivedOnly")] == ["1"]
    ml.data.restore(name, version="1")
    assert sorted(asset.version for asset in ml.data.list(name)) == ["1", "2"]
    ml.data.archive(name)
    assert name not in {asset.name for asset in ml.data.list()}
    ml.data.restore(name)
    assert name in {asset.name for asset in ml.data.list()}


# ── models ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_models_go_up_count_up_and_come_back(ml: MLClient, files: Path, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model

    name = _name("model")
    versions = [ml.models.create_or_update(Model(name=name, path=str(files / "model.pkl"))).version for _ in range(2)]
    assert versions == ["1", "2"]
    assert ml.models.get(name, label="latest").version == "2"
    ml.models.download(name, "1", str(tmp_path))
    assert (tmp_path / name / "model.pkl").read_text() == (files / "model.pkl").read_text()


def test_a_model_folder_keeps_its_flavors_and_stage(ml: MLClient, files: Path, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Model

    name = _name("mlflow")
    asked = Model(
        name=name, version="1", type="mlflow_model", path=str(files / "mlflow"), flavors={"sklearn": {"v": "1"}}, stage="Production"
    )
    ml.models.create_or_update(asked)
    ml.models.archive(name, version="1")
    ml.models.restore(name, version="1")
    kept = ml.models.get(name, "1")
    assert (kept.type, kept.flavors, kept.stage) == ("mlflow_model", {"sklearn": {"v": "1"}}, "Production")
    assert [model.version for model in ml.models.list(name, stage="Production")] == ["1"]
    ml.models.download(name, "1", str(tmp_path))
    assert _tree(tmp_path / name) == ["mlflow/MLmodel"]


# ── environments ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_environments_of_each_form_are_kept(ml: MLClient, files: Path) -> None:
    from azure.ai.ml.entities import BuildContext, Environment

    name = _name("env")
    conda = {"name": "x", "dependencies": ["python=3.11", {"pip": ["numpy"]}]}
    ml.environments.create_or_update(Environment(name=name, version="1", image="python:3.11"))
    ml.environments.create_or_update(Environment(name=name, version="2", image="python:3.11", conda_file=conda))
    built = ml.environments.create_or_update(Environment(name=name, version="3", build=BuildContext(path=str(files / "context"))))
    assert ml.environments.get(name, "2").conda_file == conda
    assert built.build.path.endswith("/context/")
    assert (ml.environments.get(name, label="latest").version, ml.environments.get(name, "1").os_type) == ("3", "Linux")


def test_the_same_environment_is_the_same_and_another_gets_the_next_version(ml: MLClient) -> None:
    from azure.ai.ml.entities import Environment

    name = _name("env")
    images = ("python:3.11", "python:3.11", "python:3.12")
    assert [ml.environments.create_or_update(Environment(name=name, image=image)).version for image in images] == ["1", "1", "2"]
    assert ml.environments.get(name, "1").image == "python:3.11"


# ── code and components ──────────────────────────────────────────────────────────────────────────────────────────────


def _component(name: str, version: str | None, **more: Any) -> Any:
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import CommandComponent

    asked: dict[str, Any] = {
        "command": "python main.py --n ${{inputs.n}} --out ${{outputs.out}}",
        "inputs": {"n": Input(type="number", default=1.5, optional=True), "data": Input(type="uri_folder")},
        "outputs": {"out": Output(type="uri_folder")},
        "environment": "python@latest",
    }
    return CommandComponent(name=name, version=version, **{**asked, **more})


@pytest.fixture(scope="module")
def _python(ml: MLClient) -> None:
    from azure.ai.ml.entities import Environment

    ml.environments.create_or_update(Environment(name="python", version="1", image="python:3.11"))


@pytest.mark.usefixtures("_python")
def test_a_component_takes_its_code_along_and_brings_it_back(ml: MLClient, files: Path, tmp_path: Path) -> None:
    name = _name("train")
    made = ml.components.create_or_update(_component(name, "1", code=str(files / "src")))
    again = ml.components.create_or_update(_component(_name("other"), "1", code=str(files / "src")))
    assert "/codes/" in made.code
    assert made.code == again.code
    assert made.environment.endswith("/environments/python/versions/1")
    assert (made.inputs["data"].optional, made.resources.instance_count) == (False, 1)
    ml.components.download(name, str(tmp_path / "back"), version="1")
    assert _tree(tmp_path / "back") == ["code/lib/words.py", "code/main.py", "component_spec.yaml"]
    assert (tmp_path / "back/code/main.py").read_text() == (files / "src/main.py").read_text()


@pytest.mark.usefixtures("_python")
def test_components_count_up_and_the_default_is_the_latest(ml: MLClient) -> None:
    name = _name("echo")
    assert [ml.components.create_or_update(_component(name, None)).version for _ in range(2)] == ["1", "2"]
    assert (ml.components.get(name).version, ml.components.get(name, label="latest").version) == ("2", "2")
    ml.components.archive(name, version="2")
    assert ml.components.get(name).version == "1"
    assert [component.version for component in ml.components.list(name)] == ["1"]


@pytest.mark.usefixtures("_python")
def test_a_component_can_be_reworded_but_not_changed(ml: MLClient) -> None:
    from azure.core.exceptions import HttpResponseError

    name = _name("echo")
    ml.components.create_or_update(_component(name, "1"))
    assert ml.components.create_or_update(_component(name, "1", display_name="Louder")).display_name == "Louder"
    with pytest.raises(HttpResponseError, match="fixed"):
        ml.components.create_or_update(_component(name, "1", command="echo something else"))


@pytest.mark.usefixtures("_python")
def test_an_anonymous_component_is_found_by_its_id(ml: MLClient) -> None:
    made = ml.components.create_or_update(_component("nobody", "1"), is_anonymous=True)
    name, _, version = made.id.rsplit("/", 3)[1:]
    assert name == "azureml_anonymous"
    assert ml.components.get(name, version).name == "nobody"


# ── datastores ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_project_has_its_datastores_at_once(ml: MLClient) -> None:
    assert sorted(store.name for store in ml.datastores.list()) == ["workspaceartifactstore", "workspaceblobstore", "workspacefilestore"]
    default = ml.datastores.get_default(include_secrets=True)
    assert (default.name, default.container_name.endswith("-blobstore")) == ("workspaceblobstore", True)
    assert "sig=" in default.credentials.sas_token


def test_a_reference_comes_and_goes_and_the_projects_own_stay(ml: MLClient) -> None:
    from azure.ai.ml.entities import AzureBlobDatastore
    from azure.core.exceptions import ResourceExistsError, ResourceNotFoundError

    name = _name("raw")
    ml.datastores.create_or_update(AzureBlobDatastore(name=name, account_name="elsewhere", container_name="raw"))
    assert ml.datastores.get(name).container_name == "raw"
    ml.datastores.delete(name)
    with pytest.raises(ResourceNotFoundError):
        ml.datastores.get(name)
    with pytest.raises(ResourceExistsError):
        ml.datastores.delete("workspaceblobstore")


# ── somebody who may not ─────────────────────────────────────────────────────────────────────────────────────────────


def test_a_reader_sees_assets_and_neither_adds_nor_takes_bytes(ml: MLClient, guest: Guest, files: Path, tmp_path: Path) -> None:
    from azure.ai.ml.entities import Data, Environment, Model
    from azure.core.exceptions import HttpResponseError

    name = _name("shown")
    ml.models.create_or_update(Model(name=name, version="1", path=str(files / "model.pkl")))
    reader = guest(READER_ROLE)
    assert [model.version for model in reader.models.list(name)] == ["1"]
    assert reader.models.get(name, "1").type == "custom_model"
    for attempt in (
        lambda: reader.environments.create_or_update(Environment(name="mine", version="1", image="python:3.11")),
        lambda: reader.data.create_or_update(Data(name="mine", version="1", type="uri_file", path="https://example.com/x")),
        lambda: reader.models.archive(name, version="1"),
        lambda: reader.datastores.delete("workspaceblobstore"),
        lambda: reader.datastores.get("workspaceblobstore", include_secrets=True),
    ):
        with pytest.raises(HttpResponseError) as refused:
            attempt()
        assert refused.value.status_code == 403
    for attempt in (
        lambda: reader.data.create_or_update(Data(name="mine", version="1", type="uri_file", path=str(files / "one.csv"))),
        lambda: reader.models.download(name, "1", str(tmp_path / "stolen")),
    ):
        with pytest.raises(Exception):  # noqa: B017, PT011 - the client wraps the storage's refusal in various ways
            attempt()
    assert not (tmp_path / "stolen").exists() or _tree(tmp_path / "stolen") == []
    assert "mine" not in {asset.name for asset in ml.data.list()}


def test_a_stranger_sees_nothing_not_even_what_is_absent(ml: MLClient, guest: Guest, files: Path) -> None:
    from azure.ai.ml.entities import Model
    from azure.core.exceptions import HttpResponseError

    name = _name("secret")
    ml.models.create_or_update(Model(name=name, version="1", path=str(files / "model.pkl")))
    stranger = guest(None)
    for attempt in (
        lambda: stranger.models.get(name, "1"),
        lambda: stranger.models.get(_name("absent"), "1"),
        lambda: list(stranger.models.list()),
    ):
        with pytest.raises(HttpResponseError) as refused:
            attempt()
        assert refused.value.status_code == 403
        assert "(AuthorizationFailed)" in str(refused.value)
