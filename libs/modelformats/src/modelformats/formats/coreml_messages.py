"""The messages of Core ML's schema for signatures (Apple's mlmodel/format, specification versions 1 to 10).

Field numbers follow Model.proto, FeatureTypes.proto, NeuralNetwork.proto and MIL.proto.
"""

from modelfiles.protobuf.messages import Messages
from modelfiles.protobuf.skimming import Schema

Fields = tuple[tuple[str, int, str], ...]


def _kinds(listed: str) -> Fields:
    """Return alternatives of which only the name is used, each `name:number`; their content is not read."""
    pairs = (entry.split(":") for entry in listed.split())
    return tuple((name, int(number), "Empty") for name, number in pairs)


_LAYERS = _kinds("""
convolution:100 pooling:120 activation:130 innerProduct:140 embedding:150 batchnorm:160 mvn:165 l2normalize:170
softmax:175 lrn:180 crop:190 padding:200 upsample:210 resizeBilinear:211 cropResize:212 unary:220 add:230
multiply:231 average:240 scale:245 bias:250 max:260 min:261 dot:270 reduce:280 loadConstant:290 reshape:300
flatten:301 permute:310 concat:320 split:330 sequenceRepeat:340 reorganizeData:345 slice:350 simpleRecurrent:400
gru:410 uniDirectionalLSTM:420 biDirectionalLSTM:430 custom:500 copy:600 loopBreak:620 loopContinue:625
rangeStatic:635 rangeDynamic:640 clip:660 ceil:665 floor:670 sign:680 round:685 exp2:700 sin:710 cos:715 tan:720
asin:730 acos:735 atan:740 sinh:750 cosh:755 tanh:760 asinh:770 acosh:775 atanh:780 erf:790 gelu:795 equal:815
notEqual:820 lessThan:825 lessEqual:827 greaterThan:830 greaterEqual:832 logicalOr:840 logicalXor:845
logicalNot:850 logicalAnd:855 modBroadcastable:865 minBroadcastable:870 maxBroadcastable:875
addBroadcastable:880 powBroadcastable:885 divideBroadcastable:890 floorDivBroadcastable:895
multiplyBroadcastable:900 subtractBroadcastable:905 tile:920 stack:925 gather:930 scatter:935 gatherND:940
scatterND:945 softmaxND:950 gatherAlongAxis:952 scatterAlongAxis:954 reverse:960 reverseSeq:965 splitND:975
concatND:980 transpose:985 sliceStatic:995 sliceDynamic:1000 slidingWindows:1005 topK:1015 argMin:1020
argMax:1025 embeddingND:1040 batchedMatmul:1045 getShape:1065 loadConstantND:1070 fillLike:1080 fillStatic:1085
fillDynamic:1090 broadcastToLike:1100 broadcastToStatic:1105 broadcastToDynamic:1110 squeeze:1120
expandDims:1125 flattenTo2D:1130 reshapeLike:1135 reshapeStatic:1140 reshapeDynamic:1145
rankPreservingReshape:1150 constantPad:1155 randomNormalLike:1170 randomNormalStatic:1175
randomNormalDynamic:1180 randomUniformLike:1190 randomUniformStatic:1195 randomUniformDynamic:1200
randomBernoulliLike:1210 randomBernoulliStatic:1215 randomBernoulliDynamic:1220 categoricalDistribution:1230
reduceL1:1250 reduceL2:1255 reduceMax:1260 reduceMin:1265 reduceSum:1270 reduceProd:1275 reduceMean:1280
reduceLogSum:1285 reduceSumSquare:1290 reduceLogSumExp:1295 whereNonZero:1313 matrixBandPart:1315
lowerTriangular:1320 upperTriangular:1325 whereBroadcastable:1330 layerNormalization:1350
NonMaximumSuppression:1400 oneHot:1450 cumSum:1455 clampedReLU:1460 argSort:1461 pooling3d:1465
globalPooling3d:1466 sliceBySize:1470 convolution3d:1471
""")
_MODELS = _kinds("""
glmRegressor:300 supportVectorRegressor:301 treeEnsembleRegressor:302 bayesianProbitRegressor:304
glmClassifier:400 supportVectorClassifier:401 treeEnsembleClassifier:402 kNearestNeighborsClassifier:404
itemSimilarityRecommender:501 customModel:555 linkedModel:556 classConfidenceThresholding:560 oneHotEncoder:600
imputer:601 featureVectorizer:602 dictVectorizer:603 scaler:604 categoricalMapping:606 normalizer:607
arrayFeatureExtractor:609 nonMaximumSuppression:610 identity:900 textClassifier:2000 wordTagger:2001
visionFeaturePrint:2002 soundAnalysisPreprocessing:2003 gazetteer:2004 wordEmbedding:2005 audioFeaturePrint:2006
serializedModel:3000
""")

MESSAGES: Messages = {
    "Empty": (),
    "Model": (
        ("version", 1, "int32"),
        ("description", 2, "Description"),
        ("pipelineClassifier", 200, "NestedPipeline"),
        ("pipelineRegressor", 201, "NestedPipeline"),
        ("pipeline", 202, "Pipeline"),
        ("neuralNetworkRegressor", 303, "Network"),
        ("neuralNetworkClassifier", 403, "Network"),
        ("neuralNetwork", 500, "Network"),
        ("mlProgram", 502, "Program"),
        *_MODELS,
    ),
    "NestedPipeline": (("pipeline", 1, "Pipeline"),),
    "Pipeline": (("models", 1, "*Model"),),
    "Description": (
        ("inputs", 1, "*Feature"),
        ("outputs", 10, "*Feature"),
        ("state", 13, "*Feature"),
        ("predicted", 11, "string"),
        ("functions", 20, "*FunctionDescription"),
        ("default", 21, "string"),
        ("metadata", 100, "Metadata"),
    ),
    "FunctionDescription": (
        ("name", 1, "string"),
        ("inputs", 2, "*Feature"),
        ("outputs", 3, "*Feature"),
        ("state", 6, "*Feature"),
    ),
    "Metadata": (
        ("description", 1, "string"),
        ("version", 2, "string"),
        ("author", 3, "string"),
        ("license", 4, "string"),
        ("own", 100, "*TextEntry"),
    ),
    "TextEntry": (("key", 1, "string"), ("value", 2, "string")),
    "Feature": (("name", 1, "string"), ("type", 3, "FeatureType")),
    "FeatureType": (
        ("int64", 1, "Empty"),
        ("float64", 2, "Empty"),
        ("str", 3, "Empty"),
        ("image", 4, "Image"),
        ("array", 5, "Array"),
        ("dictionary", 6, "Empty"),
        ("sequence", 7, "Empty"),
        ("state", 8, "State"),
    ),
    "Image": (
        ("width", 1, "int64"),
        ("height", 2, "int64"),
        ("colors", 3, "int32"),
        ("enumerated", 21, "Empty"),
        ("range", 31, "Empty"),
    ),
    "Array": (
        ("shape", 1, "*int64"),
        ("dtype", 2, "int32"),
        ("enumerated", 21, "Shapes"),
        ("range", 31, "Ranges"),
    ),
    "Shapes": (("shapes", 1, "*Shape"),),
    "Shape": (("sizes", 1, "*int64"),),
    "Ranges": (("ranges", 1, "*Range"),),
    "Range": (("lower", 1, "uint64"), ("upper", 2, "int64")),
    "State": (("array", 1, "Array"),),
    "Network": (("layers", 1, "*Layer"),),
    "Layer": (("branch", 605, "Branch"), ("loop", 615, "Loop"), *_LAYERS),
    "Branch": (("then", 1, "Network"), ("otherwise", 2, "Network")),
    "Loop": (("condition", 3, "Network"), ("body", 4, "Network")),
    "Program": (("functions", 2, "*FunctionEntry"),),
    "FunctionEntry": (("value", 2, "Function"),),
    "Function": (("blocks", 3, "*BlockEntry"),),
    "BlockEntry": (("value", 2, "Block"),),
    "Block": (("operations", 3, "*Operation"),),
    "Operation": (("type", 1, "string"), ("blocks", 4, "*Block"), ("attributes", 5, "*ValueEntry")),
    "ValueEntry": (("value", 2, "Value"),),
    "Value": (("type", 2, "ValueType"), ("blob", 5, "Blob")),
    "Blob": (("file", 1, "string"), ("offset", 2, "uint64")),
    "ValueType": (("tensor", 1, "TensorType"),),
    "TensorType": (("dtype", 1, "int32"), ("dimensions", 3, "*Dimension")),
    "Dimension": (("constant", 1, "Constant"),),
    "Constant": (("size", 1, "uint64"),),
}

MODEL = Schema("klever.coreml", MESSAGES, "Model")
