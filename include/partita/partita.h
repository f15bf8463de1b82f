// SPDX-License-Identifier: Apache-2.0
// The whole public API: load a model, plan it, run it.
#pragma once

#include "partita/batch_bench.h"
#include "partita/bench.h"
#include "partita/calibrate.h"
#include "partita/collective_bench.h"
#include "partita/engine.h"
#include "partita/error.h"
#include "partita/explain.h"
#include "partita/load_bench.h"
#include "partita/make_model.h"
#include "partita/model.h"
#include "partita/model_bench.h"
#include "partita/operators.h"
#include "partita/plan.h"
#include "partita/planner_bench.h"
#include "partita/worker.h"
