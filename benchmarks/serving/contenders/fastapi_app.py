"""FastAPI and ONNX Runtime under uvicorn, as the tutorials have it."""

import plain
import uvicorn
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

app = FastAPI()
classifier = plain.Classifier() if __name__ != "__main__" else None


@app.post("/predict")
async def predict(request: Request):
    data = await request.body()
    if plain.SETTING["pool"]:
        return JSONResponse(await run_in_threadpool(classifier.answer, data))
    return JSONResponse(classifier.answer(data))


if __name__ == "__main__":
    uvicorn.run(
        "fastapi_app:app", port=plain.PORT, workers=plain.SETTING["workers"], access_log=False
    )
