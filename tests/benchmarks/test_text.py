"""The floor is what the layers need; all train on the same pairs; lengths are MS MARCO's; the table adds up."""

import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import text, text_cases
from benchmarks.floor import OPTIMIZER_PASSES, Peaks
from benchmarks.text_ours import Ours
from benchmarks.vision_clock import Timing
from figures.text_speed import text_speed_block
from text.tokens import SPECIAL, Tokens, build_tokenizer

CPU = torch.device("cpu")
PEAKS = Peaks({"float32": 1e12, "bfloat16": 2e12}, bandwidth=1e11)
SMALL = {"VOCABULARY": 200, "LAYERS": 1, "HIDDEN": 16, "HEADS": 2, "INTERMEDIATE": 32}


@pytest.fixture
def material(tmp_path, monkeypatch):
    for name, value in SMALL.items():
        monkeypatch.setattr(text_cases, name, value)
    return text_cases.material(None, tmp_path / "nothing", tmp_path, 12)


@pytest.fixture
def config():
    return replace(text_cases.cases("cpu")["float32, 32"], batch_size=4)


class TestMaterial:
    @pytest.mark.parametrize(
        ("side", "quantiles", "mean"),
        [("query", text_cases.QUERY_LENGTHS, 10.7), ("passage", text_cases.PASSAGE_LENGTHS, 78.2)],
    )
    def test_lengths_have_the_quantiles_that_were_measured(self, side, quantiles, mean):
        lengths = text_cases.drawn_lengths(side, quantiles, 100_000)
        assert np.quantile(lengths, text_cases.SHARES[:-2]) == pytest.approx(quantiles[:-2], abs=2)
        assert lengths.mean() == pytest.approx(mean, rel=0.05)

    def test_texts_have_the_tokens_that_they_shall_have(self):
        pieces = [*SPECIAL, "a", "b", "##b", "cd", "!"]
        tokenizer = build_tokenizer({piece: i for i, piece in enumerate(pieces)}, 512)
        texts = text_cases.drawn_pairs(tokenizer, 20)
        tokens = Tokens.of(tokenizer, list(texts.passages))
        wanted = text_cases.drawn_lengths("passage", text_cases.PASSAGE_LENGTHS, 20)
        assert tokens.lengths.tolist() == wanted.tolist()
        words = {word for passage in texts.passages for word in passage.split()}
        assert words == {"a", "b", "cd"}
        assert [part.tolist() for part in texts.relevant] == [[i] for i in range(20)]

    def test_without_a_model_there_are_random_weights_and_words(self, material):
        from transformers import AutoModel

        assert material.told.startswith("random words")
        model = AutoModel.from_pretrained(str(material.folder), add_pooling_layer=False)
        assert (model.config.vocab_size, model.config.hidden_size) == (200, 16)
        assert len(material.tokens()) == 24
        assert list(material.first(3).queries) == material.queries[:3]

    def test_a_model_of_another_shape_is_refused(self, material, tmp_path, monkeypatch):
        monkeypatch.setattr(text_cases, "LAYERS", 6)
        with pytest.raises(ValueError, match="folder of a MiniLM-L6-H384"):
            text_cases.material(material.folder, tmp_path, tmp_path, 12)

    def test_parameters(self):
        from transformers import BertConfig, BertModel

        with torch.device("meta"):
            shape = BertConfig(
                vocab_size=text_cases.VOCABULARY,
                hidden_size=text_cases.HIDDEN,
                num_hidden_layers=text_cases.LAYERS,
                num_attention_heads=text_cases.HEADS,
                intermediate_size=text_cases.INTERMEDIATE,
            )
            model = BertModel(shape, add_pooling_layer=False)
        assert sum(p.numel() for p in model.parameters()) == text_cases.N_PARAMETERS

    @pytest.mark.parametrize("device", ["cpu", "cuda"])
    def test_cases(self, device):
        for config in text_cases.cases(device).values():
            assert (config.loss, config.temperature, config.dropout) == ("mnrl", 0.05, 0.1)


class TestFloor:
    def test_work_of_a_step_is_what_torch_counts(self):
        from transformers import BertConfig, BertModel

        config = BertConfig(
            vocab_size=50, hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536
        )
        with torch.device("meta"):
            model = BertModel(config, add_pooling_layer=False)
            ids = torch.zeros(1, 7, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            model(input_ids=ids).last_hidden_state.sum().backward()
        tokens = Tokens(torch.zeros(7, dtype=torch.int32), torch.tensor([0, 7]))
        work = text_cases.work_of_step(tokens, 10)
        attention = (
            6 * 4 * 384 * 7 * 7
        )  # of a text; its backward pass recomputes the scores there, which is not needed
        assert work.operations / 10 == pytest.approx(counter.get_total_flops(), abs=attention)
        assert work.bytes == OPTIMIZER_PASSES["adamw"] * 4 * text_cases.N_PARAMETERS

    def test_padding(self):
        lengths = torch.tensor([2, 2, 2, 2, 1, 1, 1, 5])
        tokens = Tokens(
            torch.zeros(int(lengths.sum()), dtype=torch.int32),
            torch.cat([torch.zeros(1).long(), lengths.cumsum(0)]),
        )
        assert text.padding(tokens, 4) == (4 * 2 + 4 * 5) / 16
        assert text.padding(tokens, 1) == 1


class TestSteps:
    def test_ours_trains_off_and_on_the_clock(self, material, config):
        ours = Ours(config, material, CPU, line=2)
        before = [p.detach().clone() for p in ours.parts.encoder.parameters()]
        timing = ours.take(3)
        assert timing.steps == 4  # in whole lines, and the first line is not counted
        assert ours.parts.pairs.update == 5
        assert not all(torch.equal(a, b) for a, b in zip(before, ours.parts.encoder.parameters(), strict=True))
        assert ours.embed().steps == 12
        assert ours.plan().steps == 3

    @pytest.mark.parametrize("ready", [False, True])
    def test_both_train_on_the_same_batches_of_the_same_pairs(self, material, config, ready):
        """Without dropout, at learning rate 0, the losses are the same step by step."""
        pytest.importorskip("sentence_transformers")
        from transformers import TrainerCallback

        from benchmarks.text_peers import SentenceTransformers

        class Losses(TrainerCallback):
            def on_log(self, args, state, control, logs=None, **kwargs):  # noqa: ARG002
                losses.append(logs.get("loss"))

        losses = []
        config = replace(config, learning_rate=0.0, dropout=0.0)
        ours = Ours(config, material, CPU, line=1)
        peer = SentenceTransformers(config, material, CPU, ready=ready, warm_up=1)
        trainer = peer._trainer(str(material.scratch), 2, [])
        for module in trainer.model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        trainer.args.logging_steps = trainer.state.logging_steps = 1
        trainer.add_callback(Losses())
        trainer.train()
        rule, embed = ours.parts.rule, ours.parts.pairs.embed
        plan = rule.plan(12, 4, seed=config.seed, epoch=0, embed=embed).batches
        expected = []
        ours.parts.encoder.eval()
        for batch in plan:
            u, v = ours.parts.pairs.encode(batch, purpose="train")
            expected.append(ours.parts.loss(u, v).item())
        assert losses[:3] == pytest.approx(expected, rel=1e-3)

    @pytest.mark.parametrize("ready", [False, True])
    def test_a_peers_steps_are_timed(self, material, config, ready):
        pytest.importorskip("sentence_transformers")
        from benchmarks.text_peers import SentenceTransformers

        timing = SentenceTransformers(config, material, CPU, ready=ready, warm_up=1).take(2)
        assert timing.steps == 2
        assert timing.seconds > 0

    def test_everyone_has_turns_of_equal_length(self):
        class Fake:
            def __init__(self, pace):
                self.pace, self.asked = pace, []

            def take(self, steps):
                self.asked.append(steps)
                return Timing(steps, steps * self.pace, steps * self.pace)

        slow, quick = Fake(1.0), Fake(0.5)
        found = text.rounds({"ours": quick, "texts": slow}, seconds=22, shortest=2)
        assert slow.asked == [2, 10, 10]
        assert quick.asked == [2, 21, 21]
        assert [text.per_step(turns) for turns in found.values()] == pytest.approx([0.5, 1.0])


class TestTable:
    def rows(self):
        lengths = torch.full((64,), 50)
        tokens = Tokens(torch.zeros(3200, dtype=torch.int32), torch.cat([torch.zeros(1).long(), lengths.cumsum(0)]))
        timings = {
            way: [Timing(10, 10 * s, 20 * s)] * 3 for way, s in (("ours", 0.5), ("tokens", 1.0), ("texts", 1.5))
        }
        config = text_cases.cases("cpu")["float32, 32"]
        return text.table("float32, 32", config, timings, tokens, PEAKS, "random words")

    def test_rows(self):
        ours, tokens, texts = self.rows()
        assert [row["ratio"] for row in (ours, tokens, texts)] == ["1", "2", "3"]
        assert (ours["ms"], ours["cpu_ms"], ours["pairs_per_second"]) == ("500", "1000", "64")
        assert float(ours["minutes"]) == pytest.approx(502_939 // 32 * 10 * 0.5 / 60, rel=1e-3)
        assert float(ours["over_floor"]) * float(ours["floor_ms"]) == pytest.approx(500, rel=1e-2)

    def test_the_readmes_block(self):
        machine = {"device": "2 x cpu", "python": "3.11", "torch": "2", "commit": "abc", "date": "2026-01-01"}
        rows = self.rows()
        rows += [rows[0] | {"way": "ours + graph", "selection": "graph", "ratio": "1.35", "embed_share": "0.3"}]
        table = pd.DataFrame([row | machine for row in rows])
        numbers = ["ratio", "pairs_per_second", "over_floor", "padding", "embed_share"]
        table[numbers] = table[numbers].apply(pd.to_numeric)
        block = text_speed_block(table)
        assert "| ours | 64 | 1.00 |" in block
        assert "| sentence-transformers, as most use it | 21.3 | 3.00 |" in block
        assert "longer by 35 % with `graph` (float32, batches of 32); embedding all pairs is 30 %" in block
        assert block.endswith("2026-01-01; commit abc.")
        assert "padding" not in text_speed_block(table[table["way"] == "ours"])

    def test_the_command(self, tmp_path, monkeypatch, material, config):
        pytest.importorskip("sentence_transformers")
        monkeypatch.setattr(text, "measure_peaks", lambda _device: PEAKS)
        monkeypatch.setattr(text, "cases", lambda _device: {"float32, 4": config})
        monkeypatch.setattr(text, "material", lambda *_: material)
        options = ["--seconds", "0.01", "--threads", str(torch.get_num_threads()), "--out", str(tmp_path / "x.csv")]
        text.main(options)
        rows = list(csv.DictReader((tmp_path / "x.csv").read_text().splitlines()))
        assert [row["way"] for row in rows] == ["ours", "tokens", "texts", "ours + graph", "ours + spectral"]
        assert float(rows[-1]["ratio"]) > 1
        assert {"device", "torch", "commit"} <= rows[0].keys()

    def test_without_the_other_library_ours_alone_is_measured(self, monkeypatch, material, config, capsys):
        monkeypatch.setattr(text, "find_spec", lambda _name: None)
        assert list(text.trainers(config, material, torch.device("cpu"), workers=0)) == ["ours"]
        monkeypatch.setattr(text, "measure", lambda _options: None)
        text.main(["--threads", str(torch.get_num_threads())])
        assert (
            "ours alone is measured: no sentence_transformers, datasets, accelerate here" in capsys.readouterr().out
        )

    def test_where_the_table_goes(self):
        assert text.parse([]).out == text.RESULTS / "text_cpu.csv"
        assert text.parse(["--device", "cuda"]).workers == 8
        for wrong in (["--seconds", "0"], ["--cases", "float64, 3"]):
            with pytest.raises(SystemExit):
                text.parse(wrong)
