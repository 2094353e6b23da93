"""Networks that tell speakers apart, made to find the one voice that a reference has."""

from __future__ import annotations

from dataclasses import replace

from stemsplit.checkpoints.contents import read_tensors
from stemsplit.engine.bag import BagMember
from stemsplit.hub.distributions import Distribution, PackagedFiles
from stemsplit.hub.transfer import Connection
from stemsplit.models.speaker_embedding import SpeakerEmbedding
from stemsplit.models.speaker_selector import SpeakerSelector

PACKAGE = Distribution("Resemblyzer", "0.1.4")
"""Its weights alone are taken: what else it needs has to be compiled, and cuts out pauses."""

_FILE = "resemblyzer/pretrained.pt"
_SHA256 = {_FILE: "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"}


def finds_voices(member: BagMember, connection: Connection) -> BagMember:
    """The member as an `Extractor`, if its network tells speakers apart; else as it is.

    Raises:
        ModelError: the network that knows voices could not be had.
    """
    if member.model.spec.ordered or member.model.spec.needs_reference:
        return member
    model = SpeakerSelector(member.model, load_embedding(connection))
    return replace(member, model=model.eval().requires_grad_(False), weights=(1.0,))


def load_embedding(connection: Connection) -> SpeakerEmbedding:
    """The network that knows voices, with its published weights.

    Raises:
        ModelError: they could not be had.
    """
    path = PackagedFiles(package=PACKAGE, sha256=_SHA256).fetch(_FILE, connection).path
    tensors, network = read_tensors(path), SpeakerEmbedding()
    network.load_state_dict({name: tensors[name] for name in network.state_dict()})
    return network.eval().requires_grad_(False)
